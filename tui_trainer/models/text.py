"""Networks for texts: tokens B×L int64 in, logits B×K out.

Token 0 is padding. How much of it follows a text changes nothing: every network leaves it out.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tui_trainer.core.specs import PADDING_TOKEN, DatasetSpec

_EMBEDDING = 128


class TextBag(nn.Module):
    """The mean of the words' vectors and one linear layer, whatever the words' order.

    Source: Joulin et al., "Bag of Tricks for Efficient Text Classification", EACL 2017.
    """

    def __init__(self, vocabulary: int, num_classes: int) -> None:
        super().__init__()
        self.embedding = nn.EmbeddingBag(
            vocabulary, _EMBEDDING, mode="mean", padding_idx=PADDING_TOKEN
        )
        self.head = nn.Linear(_EMBEDDING, num_classes)

    def forward(self, tokens_BL: Tensor) -> Tensor:
        """Logits B×K."""
        logits_BK: Tensor = self.head(self._mean(tokens_BL))
        return logits_BK

    def _mean(self, tokens_BL: Tensor) -> Tensor:
        """The mean of the words' vectors, B×D; zeros where there is no word."""
        if not torch.compiler.is_exporting():
            mean_BD: Tensor = self.embedding(tokens_BL)
            return mean_BD
        # ONNX has no bag: the exporter would write a loop over the texts of a batch.
        is_word_BL1 = (tokens_BL != PADDING_TOKEN).unsqueeze(2)
        words_BLD = F.embedding(tokens_BL, self.embedding.weight) * is_word_BL1
        return words_BLD.sum(1) / is_word_BL1.sum(1).clamp(min=1)


class TextCnn(nn.Module):
    """Convolutions over 3, 4 and 5 words, the largest response of each over the text, dropout.

    Every window that touches a word counts, so texts shorter than a window have some too.

    Source: Kim, "Convolutional Neural Networks for Sentence Classification", EMNLP 2014.
    """

    widths = (3, 4, 5)
    num_maps = 100

    def __init__(self, vocabulary: int, num_classes: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, _EMBEDDING, padding_idx=PADDING_TOKEN)
        self.convolutions = nn.ModuleList(
            nn.Conv1d(_EMBEDDING, self.num_maps, width, padding=width - 1) for width in self.widths
        )
        self.dropout = nn.Dropout(0.5)
        self.head = nn.Linear(self.num_maps * len(self.widths), num_classes)

    def forward(self, tokens_BL: Tensor) -> Tensor:
        """Logits B×K."""
        words_BDL = self.embedding(tokens_BL).transpose(1, 2)
        is_word_B1L = (tokens_BL != PADDING_TOKEN).to(words_BDL.dtype).unsqueeze(1)
        largest = []
        for width, convolution in zip(self.widths, self.convolutions, strict=True):
            response_BML = F.relu(convolution(words_BDL))
            window = is_word_B1L.new_ones(1, 1, width)
            touches_B1L = F.conv1d(is_word_B1L, window, padding=width - 1).clamp(max=1)
            # After ReLU nothing is below 0, so a window put to 0 never wins.
            largest.append((response_BML * touches_B1L).amax(2))
        logits_BK: Tensor = self.head(self.dropout(torch.cat(largest, 1)))
        return logits_BK


class TextGru(nn.Module):
    """One gated recurrent layer read forwards, one backwards, the mean of their states, dropout.

    The backward layer gets each text turned round within its own length, padding left at the
    end: a layer that began in the padding would have a state before the first word.

    Source: Cho et al., "Learning Phrase Representations using RNN Encoder-Decoder", EMNLP 2014.
    """

    width = 128

    def __init__(self, vocabulary: int, num_classes: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, _EMBEDDING, padding_idx=PADDING_TOKEN)
        self.forwards = nn.GRU(_EMBEDDING, self.width, batch_first=True)
        self.backwards = nn.GRU(_EMBEDDING, self.width, batch_first=True)
        self.dropout = nn.Dropout(0.3)
        self.head = nn.Linear(2 * self.width, num_classes)

    def forward(self, tokens_BL: Tensor) -> Tensor:
        """Logits B×K."""
        is_word_BL1 = (tokens_BL != PADDING_TOKEN).unsqueeze(2)
        length_B1 = is_word_BL1.sum(1).clamp(min=1)
        place_L = torch.arange(tokens_BL.shape[1], device=tokens_BL.device)
        # Past the end of a text this counts from the back: there is padding, and there it stays.
        turned_BL = length_B1 - 1 - place_L
        turned_BL = torch.where(turned_BL < 0, turned_BL + tokens_BL.shape[1], turned_BL)
        texts = (tokens_BL, tokens_BL.gather(1, turned_BL))
        means = []
        for layer, text_BL in zip((self.forwards, self.backwards), texts, strict=True):
            states_BLD, _ = layer(self.embedding(text_BL))
            means.append((states_BLD * is_word_BL1).sum(1) / length_B1)
        logits_BK: Tensor = self.head(self.dropout(torch.cat(means, 1)))
        return logits_BK


def make_text_bag(spec: DatasetSpec) -> nn.Module:
    """A bag of words for the vocabulary and classes of a dataset."""
    return TextBag(spec.vocabulary, spec.num_outputs)


def make_text_cnn(spec: DatasetSpec) -> nn.Module:
    """Kim's convolutional network for the vocabulary and classes of a dataset."""
    return TextCnn(spec.vocabulary, spec.num_outputs)


def make_text_gru(spec: DatasetSpec) -> nn.Module:
    """A recurrent network read both ways, for the vocabulary and classes of a dataset."""
    return TextGru(spec.vocabulary, spec.num_outputs)
