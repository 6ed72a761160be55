//! Texts that were sound once: lines, tokens and bytes taken out, doubled, moved, replaced.

use super::random::Random;

const WORDS: [&str; 40] = [
    "not ",
    "some ",
    "every ",
    " in ",
    " with input as ",
    " with data.t.r1 as ",
    "else := 1",
    " if ",
    " contains ",
    "default ",
    "import rego.v1\n",
    "import future.keywords\n",
    "package t\n",
    "input",
    "data",
    "_",
    "x",
    "{",
    "}",
    "[",
    "]",
    "(",
    ")",
    "|",
    "&",
    ":=",
    "=",
    "==",
    "!=",
    "-",
    "+",
    ".",
    ",",
    ":",
    ";",
    "\n",
    "\"",
    "`",
    "# c\n",
    "1e400",
];

/// A changed text; it need not be Rego.
pub(super) fn text(random: &mut Random, source: &str) -> String {
    let mut text = source.to_owned();
    for _ in 0..=random.below(4) {
        text = match random.below(6) {
            0 => lines(random, &text),
            1 => replace_token(random, &text),
            2 => splice(random, &text, ""),
            3 => {
                let word = *random.pick(&WORDS);
                splice(random, &text, word)
            }
            4 => swap_tokens(random, &text),
            _ => nest(random, &text),
        };
    }
    text
}

/// A change that leaves the text well-formed more often than not.
pub(super) fn gentle(random: &mut Random, source: &str) -> String {
    match random.below(4) {
        0 => lines(random, source),
        1 => swap_tokens(random, source),
        _ => replace_token(random, source),
    }
}

fn lines(random: &mut Random, text: &str) -> String {
    let mut lines: Vec<&str> = text.lines().collect();
    if lines.is_empty() {
        return String::new();
    }
    let (one, other) = (random.below(lines.len()), random.below(lines.len()));
    match random.below(3) {
        0 => drop(lines.remove(one)),
        1 => lines.insert(one, lines[other]),
        _ => lines.swap(one, other),
    }
    lines.join("\n") + "\n"
}

/// Byte ranges of words and of single other characters.
fn tokens(text: &str) -> Vec<(usize, usize)> {
    let mut tokens: Vec<(usize, usize)> = Vec::new();
    let mut in_word = false;
    for (at, character) in text.char_indices() {
        let end = at + character.len_utf8();
        let is_word = character.is_alphanumeric() || character == '_';
        match tokens.last_mut() {
            Some(last) if is_word && in_word => last.1 = end,
            _ if character.is_whitespace() => {}
            _ => tokens.push((at, end)),
        }
        in_word = is_word;
    }
    tokens
}

fn replace_token(random: &mut Random, text: &str) -> String {
    let tokens = tokens(text);
    if tokens.is_empty() {
        return text.to_owned();
    }
    let (start, end) = *random.pick(&tokens);
    let (from, to) = *random.pick(&tokens);
    let new = if random.percent(70) { &text[from..to] } else { *random.pick(&WORDS) };
    format!("{}{new}{}", &text[..start], &text[end..])
}

fn swap_tokens(random: &mut Random, text: &str) -> String {
    let tokens = tokens(text);
    if tokens.len() < 2 {
        return text.to_owned();
    }
    let at = random.below(tokens.len() - 1);
    let ((start, end), (next, last)) = (tokens[at], tokens[at + 1]);
    format!("{}{}{}{}{}", &text[..start], &text[next..last], &text[end..next], &text[start..end], &text[last..])
}

/// Cuts a short piece out and puts another in.
fn splice(random: &mut Random, text: &str, word: &str) -> String {
    let characters: Vec<char> = text.chars().collect();
    let start = random.below(characters.len() + 1);
    let length = if word.is_empty() { 1 + random.below(12) } else { random.below(2) };
    let end = (start + length).min(characters.len());
    characters[..start].iter().chain(word.chars().collect::<Vec<_>>().iter()).chain(&characters[end..]).collect()
}

/// Many brackets, operators or negations within each other: what overflows stacks.
fn nest(random: &mut Random, text: &str) -> String {
    if !random.percent(15) {
        return text.to_owned();
    }
    let count = 1 << random.below(15);
    let openings = ["[", "{", "(", "{\"a\":", "f(", "[x|", "not ", "-", "1+", "x.", "input[", "{x|y|", "every x in "];
    let word = random.pick(&openings).repeat(count);
    splice(random, text, &word)
}

/// Bytes as they come, read as text.
pub(super) fn noise(random: &mut Random) -> String {
    let bytes: Vec<u8> = (0..random.below(200)).map(|_| random.next() as u8).collect();
    let words: String = (0..random.below(60)).map(|_| *random.pick(&WORDS)).collect();
    if random.percent(30) { String::from_utf8_lossy(&bytes).into_owned() } else { format!("package t\n{words}") }
}
