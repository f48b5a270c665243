//! The words and symbols of ClickHouse SQL, one after the other.
//!
//! Just enough to tell keywords from what stands in quotes, comments and brackets. Lazy, so that the data after an
//! `INSERT … FORMAT` is never looked at.

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A keyword or an identifier without quotes.
    Word,
    /// One byte of punctuation.
    Symbol(u8),
    /// A string, a quoted identifier or a number.
    Literal,
}

/// A token: what it is, where it is and how many brackets are open around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) depth: u32,
}

/// The tokens of a text.
#[derive(Debug, Clone)]
pub(crate) struct Tokens<'a> {
    text: &'a [u8],
    at: usize,
    depth: u32,
}

impl<'a> Tokens<'a> {
    pub(crate) fn new(text: &'a [u8]) -> Self {
        Self { text, at: 0, depth: 0 }
    }

    fn rest(&self) -> &'a [u8] {
        &self.text[self.at..]
    }

    /// Goes past white space and comments.
    fn skip_blank(&mut self) {
        loop {
            let rest = self.rest();
            match rest {
                [byte, ..] if byte.is_ascii_whitespace() || *byte == 0x0B => self.at += 1,
                [b'-', b'-', ..] | [b'#', b' ' | b'!', ..] => self.at += line_length(rest),
                [b'/', b'*', ..] => self.at += block_comment_length(rest),
                _ => return,
            }
        }
    }
}

impl Iterator for Tokens<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        self.skip_blank();
        let rest = self.rest();
        let first = *rest.first()?;
        let (kind, length) = match first {
            b'\'' | b'"' | b'`' => (Kind::Literal, quoted_length(rest, first)),
            b'$' => heredoc_length(rest).map_or((Kind::Symbol(b'$'), 1), |length| (Kind::Literal, length)),
            b'0'..=b'9' => (Kind::Literal, run_length(rest, |byte| is_word(byte) || byte == b'.')),
            _ if is_word(first) => (Kind::Word, run_length(rest, is_word)),
            _ => (Kind::Symbol(first), 1),
        };
        if matches!(first, b')' | b']' | b'}') {
            self.depth = self.depth.saturating_sub(1);
        }
        let token = Token { kind, start: self.at, end: self.at + length, depth: self.depth };
        if matches!(first, b'(' | b'[' | b'{') {
            self.depth += 1;
        }
        self.at += length;
        Some(token)
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

fn run_length(text: &[u8], belongs: impl Fn(u8) -> bool) -> usize {
    text.iter().position(|&byte| !belongs(byte)).unwrap_or(text.len())
}

fn line_length(text: &[u8]) -> usize {
    run_length(text, |byte| byte != b'\n')
}

/// The length of a `/* … */` comment; they nest.
fn block_comment_length(text: &[u8]) -> usize {
    let (mut at, mut open) = (0, 0_u32);
    while at < text.len() {
        match &text[at..] {
            [b'/', b'*', ..] => (at, open) = (at + 2, open + 1),
            [b'*', b'/', ..] => (at, open) = (at + 2, open - 1),
            _ => at += 1,
        }
        if open == 0 {
            return at;
        }
    }
    text.len()
}

/// The length of a quoted text, in which a backslash escapes one byte and the quote doubled stands for itself.
fn quoted_length(text: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while at < text.len() {
        match text[at] {
            b'\\' => at += 2,
            byte if byte == quote => {
                at += 1;
                if text.get(at) != Some(&quote) {
                    return at;
                }
                at += 1;
            }
            _ => at += 1,
        }
    }
    text.len()
}

/// The length of `$tag$ … $tag$`, if that is what the text begins with.
fn heredoc_length(text: &[u8]) -> Option<usize> {
    let tag_length = 1 + run_length(&text[1..], is_word);
    if text.get(tag_length) != Some(&b'$') {
        return None;
    }
    let tag = &text[..=tag_length];
    let body = &text[tag.len()..];
    let end = body.windows(tag.len()).position(|window| window == tag)?;
    Some(tag.len() + end + tag.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<&str> {
        Tokens::new(text.as_bytes())
            .filter(|token| token.kind == Kind::Word && token.depth == 0)
            .map(|token| &text[token.start..token.end])
            .collect()
    }

    #[test]
    fn what_stands_in_quotes_comments_and_brackets_is_no_keyword() {
        let text = "a 'b''c \\' d' /* e /* f */ g */ \"h\\\"\" `i``j` -- k\n # l\n (m [n]) {o:p} $x$q$x$ r";
        assert_eq!(words(text), ["a", "r"]);
    }

    #[test]
    fn a_text_that_ends_inside_a_quote_or_comment_ends_there() {
        for text in ["a 'b", "a /* b", "a `b\\", "a $t$ b", "a -- b"] {
            assert_eq!(words(text).first(), Some(&"a"), "{text}");
            assert!(Tokens::new(text.as_bytes()).all(|token| token.start < token.end));
        }
    }

    #[test]
    fn numbers_are_one_token() {
        let tokens: Vec<_> = Tokens::new(b"1e5 0x1F 1.5").map(|token| token.kind).collect();
        assert_eq!(tokens, [Kind::Literal; 3]);
    }
}
