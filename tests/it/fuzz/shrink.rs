//! The smallest text that still shows a finding: lines, brackets and tokens taken out as long as it stays one.

/// Tries at most so many texts.
const TRIES: usize = 600;

pub(super) fn shrink(source: &str, still: &mut dyn FnMut(&str) -> bool) -> String {
    let mut tries = TRIES;
    let mut best = source.to_owned();
    loop {
        let before = best.len();
        for candidates in [without_lines, simpler_brackets, without_pieces] {
            best = smallest(best, candidates, &mut tries, still);
        }
        if best.len() >= before || tries == 0 {
            return best;
        }
    }
}

fn smallest(
    mut best: String,
    candidates: fn(&str) -> Vec<String>,
    tries: &mut usize,
    still: &mut dyn FnMut(&str) -> bool,
) -> String {
    'again: loop {
        for candidate in candidates(&best) {
            if *tries == 0 {
                return best;
            }
            *tries -= 1;
            if candidate.len() < best.len() && still(&candidate) {
                best = candidate;
                continue 'again;
            }
        }
        return best;
    }
}

/// Long runs of lines first.
fn without_lines(text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    let mut length = lines.len() / 2;
    while length > 0 {
        for start in (1..lines.len().saturating_sub(length - 1)).step_by(length) {
            let kept: Vec<&str> = lines[..start].iter().chain(&lines[start + length..]).copied().collect();
            found.push(kept.join("\n") + "\n");
        }
        length /= 2;
    }
    found
}

/// Ends of what the brackets that open at `open` enclose.
fn closing(text: &[u8], open: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, byte) in text.iter().enumerate().skip(open) {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(at);
                }
            }
            _ => {}
        }
    }
    None
}

fn simpler_brackets(text: &str) -> Vec<String> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    for (open, byte) in bytes.iter().enumerate() {
        if !matches!(byte, b'(' | b'[' | b'{') {
            continue;
        }
        let Some(close) = closing(bytes, open) else { continue };
        let word = bytes[..open].iter().rev().take_while(|byte| byte.is_ascii_alphanumeric() || b"._".contains(byte));
        let start = open - word.count();
        for new in ["", "1", "[]", "{}", "\"a\"", "input"] {
            found.push(format!("{}{new}{}", &text[..start], &text[close + 1..]));
            found.push(format!("{}{new}{}", &text[..open], &text[close + 1..]));
        }
        found.push(format!("{}{}{}", &text[..start], &text[open + 1..close], &text[close + 1..]));
    }
    found
}

/// Without what stands between two separators.
fn without_pieces(text: &str) -> Vec<String> {
    let cuts: Vec<usize> = text.match_indices([',', ';', ' ', '[', ']', '{', '}', '.']).map(|(at, _)| at).collect();
    let mut found = Vec::new();
    for length in [6, 4, 3, 2, 1] {
        for pair in cuts.windows(length + 1) {
            found.push(format!("{}{}", &text[..pair[0]], &text[pair[length]..]));
        }
    }
    found
}
