//! Do the texts hold on another machine, and in both languages?

use crate::source::{Source, regex};

/// The readers of two languages follow the same commands.
const READMES: [&str; 2] = ["README.md", "README.zh-CN.md"];

/// Absolute paths of one machine, and folders beside the repository.
pub fn machine_places(sources: &[Source]) -> Vec<String> {
    let place = regex(concat!(r#"(?m)(?:^|[\s"'`=(:,])(/(?:work|root)\b|/"#, r"home/|\.\./", "shared)"));
    let found =
        sources.iter().flat_map(|s| place.captures_iter(&s.text).filter_map(move |c| Some((s, c.get(1)?))));
    found
        .map(|(s, m)| format!("{}: names `{}`, which only one machine has", s.place(m.start()), m.as_str()))
        .collect()
}

/// A missing translation, or one with other code blocks.
pub fn readmes(sources: &[Source]) -> Vec<String> {
    let counts = READMES.map(|name| Some(blocks(&sources.iter().find(|s| s.path == name)?.text)));
    match counts {
        [a, b] if a == b => Vec::new(),
        [Some(a), Some(b)] => vec![format!("{}:1: has {b} code blocks, {} has {a}", READMES[1], READMES[0])],
        [None, _] => vec![format!("{}:1: is missing", READMES[0])],
        [_, None] => vec![format!("{}:1: is missing", READMES[1])],
    }
}

fn blocks(text: &str) -> usize {
    text.lines().filter(|l| l.trim_start().starts_with("```")).count() / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machine_paths_are_found() {
        let text =
            format!("a\nopen('/{}/x')\n= /{}\n/{}/me\nread ../{}/x\n", "work", "root", "home", "shared");
        let found = machine_places(&[Source::new("Makefile", &text)]);
        assert_eq!(found.len(), 4, "{found:?}");
        assert!(found[0].starts_with("Makefile:2: "));
    }

    #[test]
    fn other_paths_are_not() {
        let text = "page = '/home' {data}/work/S docs/work target/work /workshop /tmp/x";
        assert!(machine_places(&[Source::new("README.md", text)]).is_empty());
    }

    #[test]
    fn readmes_with_other_blocks_are_found() {
        let one = Source::new("README.md", "```\na\n```\ntext\n```sh\nb\n```\n");
        let two = Source::new("README.zh-CN.md", "```\na\n```\n");
        assert!(readmes(&[]).is_empty());
        assert_eq!(readmes(&[one.clone(), two]).len(), 1);
        assert_eq!(readmes(&[one]), ["README.zh-CN.md:1: is missing"]);
    }
}
