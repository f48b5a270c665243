//! Text whose number of tokens is known without counting.
//!
//! It is made of pieces each of which is one token wherever it stands: the encodings split text before every word
//! and around punctuation, and merge nothing across such a split. So any run of pieces from the beginning is exactly
//! as many tokens as it has pieces. A property test compares with the tokenizer.

use weir_runtime::tokenizer::Tokenizer;

use crate::random::Draws;

const WORDS: &str = "time year people way day man thing woman life child world school state family student group country \
    problem hand part place case week company system program question work government number night \
    point home water room area money story fact month lot study book eye job word business side kind \
    head house service friend hour game line end member car city community name team minute body \
    information back face level office door health person art history result change morning reason \
    research moment air teacher education river lake rain wind light stone bridge road map paper letter \
    data model value record report order price market plan test design source field measure balance \
    flow limit rate share budget demand supply capacity network signal channel bank ground season \
    winter summer spring tree leaf fish bird ship mountain forest the a an this that these some \
    many most every each any its their our and but or with without into from over under between after \
    before during while when where because though if then also often never always only still just quite \
    very more less first second last next new old good great small large long short high low early late \
    young important public private different same clear simple common recent natural human local open \
    strong whole free true make take give keep hold turn move build learn read write speak listen find \
    show help begin follow lead serve store draw reach pass cross start stop grow join meet wait watch \
    choose answer ask think know want need like look use call try leave feel become bring provide \
    include consider allow create return support reduce protect describe compare";

/// Never at the beginning of a sentence. So that not all text is ASCII.
const WORDS_FOREIGN: &str = "über für más não também été café déjà está mañana où même français";

/// A piece of text that is one token. Stands for an entry of [`Vocabulary`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Piece(u16);

const COMMA: Piece = Piece(0);
const STOP: Piece = Piece(1);
const PARAGRAPH: Piece = Piece(2);
const MARKS: [&str; 3] = [",", ".", ".\n\n"];

/// The pieces, as JSON writes them inside a string.
#[derive(Debug)]
pub(crate) struct Vocabulary {
    pieces: Vec<String>,
    words: usize,
    foreign: usize,
}

/// In which form a word stands. Each word has three neighbouring entries, in this order.
#[derive(Clone, Copy)]
enum Form {
    /// ` word`
    Within,
    /// ` Word`
    AfterStop,
    /// `Word`
    AfterParagraph,
}

impl Vocabulary {
    /// The pieces that are one token each.
    pub(crate) fn new(tokenizer: Tokenizer) -> Self {
        let forms = |word: &str| {
            let capital = word[..1].to_uppercase() + &word[1..];
            [format!(" {word}"), format!(" {capital}"), capital]
        };
        let words =
            WORDS.split(' ').map(forms).filter(|forms| forms.iter().all(|form| tokenizer.count(form) == 1));
        let words: Vec<_> = words.flatten().collect();
        let foreign = WORDS_FOREIGN.split(' ').map(|word| format!(" {word}"));
        let foreign: Vec<_> = foreign.filter(|word| tokenizer.count(word) == 1).collect();
        let (words_count, foreign_count) = (words.len() / 3, foreign.len());
        let marks = MARKS.map(|mark| mark.replace('\n', "\\n"));
        Self {
            pieces: marks.into_iter().chain(words).chain(foreign).collect(),
            words: words_count,
            foreign: foreign_count,
        }
    }

    /// A text of so many tokens: sentences, sometimes paragraphs. The same seed gives the same text.
    pub(crate) fn write(&self, seed: u64, tokens: usize) -> Vec<Piece> {
        let mut draws = Draws::new(seed);
        let mut text = Vec::with_capacity(tokens);
        let mut sentence_left = 0_usize;
        while text.len() < tokens {
            let last = text.last().copied();
            let after_word = last.is_some_and(|piece: Piece| piece.0 > PARAGRAPH.0);
            // The last piece is a full stop, and the one before it a word.
            let left = tokens - text.len();
            if after_word && (left == 1 || (left > 2 && sentence_left == 0)) {
                text.push(if left > 2 && draws.below(6) == 0 { PARAGRAPH } else { STOP });
                continue;
            }
            if after_word && left > 2 && sentence_left > 2 && draws.below(9) == 0 {
                text.push(COMMA);
                continue;
            }
            let form = match last {
                None | Some(PARAGRAPH) => Form::AfterParagraph,
                Some(STOP) => Form::AfterStop,
                Some(_) => Form::Within,
            };
            sentence_left = if matches!(form, Form::Within) {
                sentence_left.saturating_sub(1)
            } else {
                4 + draws.below(12)
            };
            text.push(self.word(form, &mut draws));
        }
        text
    }

    /// The text of some pieces, as JSON writes it inside a string.
    pub(crate) fn json(&self, pieces: &[Piece]) -> String {
        pieces.iter().map(|piece| self.pieces[usize::from(piece.0)].as_str()).collect()
    }

    fn word(&self, form: Form, draws: &mut Draws) -> Piece {
        let index = if matches!(form, Form::Within) && draws.below(40) == 0 && self.foreign > 0 {
            MARKS.len() + 3 * self.words + draws.below(self.foreign)
        } else {
            MARKS.len() + 3 * draws.below(self.words) + form as usize
        };
        Piece(u16::try_from(index).expect("a few hundred words"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::sync::OnceLock;
    use weir_domain::policy::Encoding;

    fn vocabularies() -> &'static [(Tokenizer, Vocabulary); 2] {
        static VOCABULARIES: OnceLock<[(Tokenizer, Vocabulary); 2]> = OnceLock::new();
        VOCABULARIES.get_or_init(|| {
            [Encoding::O200kBase, Encoding::Cl100kBase].map(|encoding| {
                let tokenizer = Tokenizer::of(encoding);
                (tokenizer, Vocabulary::new(tokenizer))
            })
        })
    }

    fn text(vocabulary: &Vocabulary, pieces: &[Piece]) -> String {
        serde_json::from_str(&format!("\"{}\"", vocabulary.json(pieces))).unwrap()
    }

    #[test]
    fn every_word_is_one_token_in_every_form() {
        for (_, vocabulary) in vocabularies() {
            let dropped = WORDS.split(' ').filter(|word| !vocabulary.pieces.contains(&format!(" {word}")));
            assert_eq!(dropped.collect::<Vec<_>>(), Vec::<&str>::new());
            assert_eq!(vocabulary.words, WORDS.split(' ').count());
            assert_eq!(vocabulary.foreign, WORDS_FOREIGN.split(' ').count());
        }
        for (tokenizer, _) in vocabularies() {
            assert!(MARKS.iter().all(|mark| tokenizer.count(mark) == 1));
        }
    }

    #[test]
    fn a_text_reads_as_sentences() {
        let (_, vocabulary) = &vocabularies()[0];
        let text = text(vocabulary, &vocabulary.write(7, 300));
        assert!(text.starts_with(char::is_uppercase), "{text}");
        assert!(text.ends_with('.'), "{text}");
        assert!(text.contains(".\n\n") && text.contains(", ") && !text.is_ascii(), "{text}");
    }

    proptest! {
        #[test]
        fn a_text_and_each_of_its_beginnings_has_as_many_tokens_as_pieces(
            seed: u64, tokens in 0..400_usize, cut in 0..400_usize,
        ) {
            for (tokenizer, vocabulary) in vocabularies() {
                let pieces = vocabulary.write(seed, tokens);
                prop_assert_eq!(pieces.len(), tokens);
                for pieces in [&pieces[..], &pieces[..cut.min(tokens)]] {
                    prop_assert_eq!(tokenizer.count(&text(vocabulary, pieces)), pieces.len() as u64);
                }
            }
        }
    }
}
