//! As much of Rust's lexical structure as the rules need: what is a comment or a literal, what a word, what a test module.

/// A word, `::`, or any other character.
pub(super) struct Token {
    pub text: String,
    pub line: usize,
}

impl Token {
    /// A name or a keyword.
    pub(super) fn is_word(&self) -> bool {
        self.text.starts_with(|first: char| first.is_alphabetic() || first == '_')
    }
}

/// Replaces comments and the insides of literals by spaces; keeps line breaks.
pub(super) fn blank_out(text: &str) -> String {
    let characters: Vec<char> = text.chars().collect();
    let mut code = String::with_capacity(text.len());
    let mut at = 0;
    while let Some(character) = characters.get(at) {
        let end = literal_end(&characters, at);
        if end > at {
            code.extend(characters.iter().skip(at).take(end - at).map(|c| if *c == '\n' { '\n' } else { ' ' }));
            at = end;
        } else {
            code.push(*character);
            at += 1;
        }
    }
    code
}

/// Where the comment or literal that begins at a position ends; the position itself if none begins there.
fn literal_end(characters: &[char], at: usize) -> usize {
    let next = |offset: usize| characters.get(at + offset).copied();
    match (next(0), next(1)) {
        (Some('/'), Some('/')) => find(characters, at, "\n").unwrap_or(characters.len()),
        (Some('/'), Some('*')) => block_comment_end(characters, at),
        (Some('"'), _) => quoted_end(characters, at, '"'),
        // A lifetime is an apostrophe and a name that no apostrophe closes.
        (Some('\''), Some('\\')) => quoted_end(characters, at, '\''),
        (Some('\''), Some(_)) if next(2) == Some('\'') => at + 3,
        (Some('r'), Some('"' | '#')) if !follows_word(characters, at) => raw_string_end(characters, at),
        _ => at,
    }
}

fn block_comment_end(characters: &[char], at: usize) -> usize {
    let (mut depth, mut position) = (0, at);
    while position < characters.len() {
        match (characters.get(position), characters.get(position + 1)) {
            (Some('/'), Some('*')) => (depth, position) = (depth + 1, position + 2),
            (Some('*'), Some('/')) => (depth, position) = (depth - 1, position + 2),
            _ => position += 1,
        }
        if depth == 0 {
            return position;
        }
    }
    characters.len()
}

fn quoted_end(characters: &[char], at: usize, quote: char) -> usize {
    let mut position = at + 1;
    while let Some(character) = characters.get(position) {
        match character {
            '\\' => position += 2,
            other if *other == quote => return position + 1,
            _ => position += 1,
        }
    }
    characters.len()
}

/// `r"…"`, `r#"…"#` and so on. Not `r#name`.
fn raw_string_end(characters: &[char], at: usize) -> usize {
    let hashes = characters.iter().skip(at + 1).take_while(|character| **character == '#').count();
    if characters.get(at + 1 + hashes) != Some(&'"') {
        return at;
    }
    let closing = format!("\"{}", "#".repeat(hashes));
    find(characters, at + 2 + hashes, &closing).map_or(characters.len(), |start| start + closing.len())
}

/// Whether a position continues a name: the `r` of `for` begins no raw string. `br"…"` and `cr"…"` do.
fn follows_word(characters: &[char], at: usize) -> bool {
    let before = |offset: usize| at.checked_sub(offset).and_then(|position| characters.get(position)).copied();
    let is_word = |character: Option<char>| character.is_some_and(|c| c.is_alphanumeric() || c == '_');
    let is_prefix = matches!(before(1), Some('b' | 'c')) && !is_word(before(2));
    is_word(before(1)) && !is_prefix
}

fn find(characters: &[char], from: usize, wanted: &str) -> Option<usize> {
    let wanted: Vec<char> = wanted.chars().collect();
    (from..characters.len()).find(|start| characters.get(*start..start + wanted.len()) == Some(wanted.as_slice()))
}

/// First and last line of each test module.
pub(super) fn test_modules(code: &str) -> Vec<(usize, usize)> {
    let tokens = tokens(code);
    let mut modules = Vec::new();
    for start in 0..tokens.len() {
        let words: Vec<&str> = tokens.iter().skip(start).take(10).map(|token| token.text.as_str()).collect();
        let ["#", "[", "cfg", "(", "test", ")", "]", "mod", _, "{"] = words.as_slice() else { continue };
        let mut depth = 0;
        let end = tokens.iter().skip(start).find(|token| {
            depth += i32::from(token.text == "{") - i32::from(token.text == "}");
            depth == 0 && token.text == "}"
        });
        if let (Some(first), Some(last)) = (tokens.get(start), end.or(tokens.last())) {
            modules.push((first.line, last.line));
        }
    }
    modules
}

/// The words and signs of blanked-out code.
pub(super) fn tokens(code: &str) -> Vec<Token> {
    let mut tokens: Vec<Token> = Vec::new();
    for (index, line) in code.lines().enumerate() {
        let mut rest = line.trim_start();
        while let Some(first) = rest.chars().next() {
            let is_inner = |c: char| c.is_alphanumeric() || c == '_';
            let length = match first {
                _ if is_inner(first) => rest.find(|c| !is_inner(c)).unwrap_or(rest.len()),
                ':' if rest.starts_with("::") => 2,
                _ => first.len_utf8(),
            };
            let (text, after) = rest.split_at(length);
            tokens.push(Token { text: text.to_owned(), line: index + 1 });
            rest = after.trim_start();
        }
    }
    tokens
}
