//! What does `catalog.toml` say? Types, other names and closed values; every mistake with its line.
//!
//! `docs/catalog.md` shows the keys.

use std::collections::BTreeMap;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::base::{Problem, Problems, Type};

/// Where it lies inside the app's folder.
pub(super) const NAME: &str = "catalog.toml";

const SECTIONS: &[&str] = &["attributes", "properties", "events", "details"];
const ATTRIBUTE_KEYS: &[&str] = &["type", "alias", "values", "closed"];
const PROPERTY_KEYS: &[&str] = &["type", "alias"];
const EVENT_KEYS: &[&str] = &["alias"];
const DETAIL_KEYS: &[&str] = &["type"];
const TYPES: [Type; 7] =
    [Type::Text, Type::Integer, Type::Float, Type::Bool, Type::Date, Type::Instant, Type::List];

/// What the file adds to the names of the data.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct CatalogFile {
    pub aliases: BTreeMap<String, String>,
    pub closed: BTreeMap<String, Vec<String>>,
    /// Under `attributes.NAME`, `properties.NAME`, `details.TABLE.COLUMN`.
    pub fixed: BTreeMap<String, Type>,
}

/// Reads the file of an app's folder; there may be none.
/// Errors: STO-006 not TOML, STO-007 unknown key, STO-008 wrong value, STO-009 an alias twice.
pub(super) fn read(folder: &Path) -> Result<CatalogFile, Problems> {
    let path = folder.join(NAME);
    match std::fs::read_to_string(&path) {
        Ok(text) => parse(&path.display().to_string(), &text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(CatalogFile::default()),
        Err(error) => Err(super::disk::trouble(&path, error).into()),
    }
}

fn parse(file: &str, text: &str) -> Result<CatalogFile, Problems> {
    let mut reading = Reading { file, text, found: CatalogFile::default(), problems: Problems::default() };
    match DeTable::parse(text) {
        Ok(table) => reading.top(table.get_ref()),
        Err(error) => reading.no_toml(&error),
    }
    reading.problems.or(reading.found)
}

type Entry<'t, 'i> = (&'t Spanned<std::borrow::Cow<'i, str>>, &'t Spanned<DeValue<'i>>);

/// The entries of a table as they stand in the file.
fn in_order<'t, 'i>(table: &'t DeTable<'i>) -> Vec<Entry<'t, 'i>> {
    let mut entries: Vec<Entry> = table.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    entries
}

struct Reading<'a> {
    file: &'a str,
    text: &'a str,
    found: CatalogFile,
    problems: Problems,
}

impl Reading<'_> {
    fn top(&mut self, table: &DeTable) {
        for (key, value) in in_order(table) {
            let section = key.get_ref().to_string();
            if !SECTIONS.contains(&section.as_str()) {
                self.unknown((key, value), &section, SECTIONS);
                continue;
            }
            for (name, entry) in self.table(value) {
                self.entry(&section, name.get_ref(), entry);
            }
        }
    }

    fn entry(&mut self, section: &str, name: &str, entry: &Spanned<DeValue>) {
        if section == "details" {
            for (column, entry) in self.table(entry) {
                self.named(
                    &format!("details.{name}.{}", column.get_ref()),
                    column.get_ref(),
                    entry,
                    DETAIL_KEYS,
                );
            }
            return;
        }
        let keys = match section {
            "attributes" => ATTRIBUTE_KEYS,
            "properties" => PROPERTY_KEYS,
            _ => EVENT_KEYS,
        };
        self.named(&format!("{section}.{name}"), name, entry, keys);
    }

    /// One name with its keys.
    fn named(&mut self, path: &str, name: &str, entry: &Spanned<DeValue>, keys: &[&str]) {
        let (mut values, mut is_closed) = (Vec::new(), false);
        for (key, value) in self.table(entry) {
            match key.get_ref().as_ref() {
                other if !keys.contains(&other) => self.unknown((key, value), other, keys),
                "type" => self.type_of(path, value),
                "alias" => self.alias(name, value),
                "values" => values = self.texts(value),
                _ => is_closed = self.truth(value),
            }
        }
        if is_closed {
            self.found.closed.insert(name.to_string(), values);
        }
    }

    fn type_of(&mut self, path: &str, value: &Spanned<DeValue>) {
        let words: Vec<&str> = TYPES.iter().map(|one| one.word()).collect();
        let found = value.get_ref().as_str().and_then(|text| TYPES.iter().find(|one| one.word() == text));
        match found {
            Some(type_of) => drop(self.found.fixed.insert(path.to_string(), *type_of)),
            None => self.wrong(value, &format!("one of \"{}\"", words.join("\", \""))),
        }
    }

    fn alias(&mut self, name: &str, value: &Spanned<DeValue>) {
        for alias in self.texts(value) {
            let before = self.found.aliases.insert(alias.clone(), name.to_string());
            if let Some(other) = before.filter(|other| other != name) {
                let what = format!("the alias `{alias}` stands for both `{other}` and `{name}`");
                self.push("STO-009", value, what, "give one of them another alias");
            }
        }
    }

    /// A text, or a list of texts.
    fn texts(&mut self, value: &Spanned<DeValue>) -> Vec<String> {
        if let Some(text) = value.get_ref().as_str() {
            return vec![text.to_string()];
        }
        let all = value
            .get_ref()
            .as_array()
            .map(|list| list.iter().map(|one| one.get_ref().as_str().map(String::from)));
        let texts: Option<Vec<String>> = all.and_then(|all| all.collect());
        texts.unwrap_or_else(|| {
            self.wrong(value, "a text, or a list of texts such as [\"a\", \"b\"]");
            Vec::new()
        })
    }

    fn truth(&mut self, value: &Spanned<DeValue>) -> bool {
        value.get_ref().as_bool().unwrap_or_else(|| {
            self.wrong(value, "true or false");
            false
        })
    }

    fn table<'t, 'i>(&mut self, value: &'t Spanned<DeValue<'i>>) -> Vec<Entry<'t, 'i>> {
        match value.get_ref().as_table() {
            Some(table) => in_order(table),
            None => {
                self.wrong(value, "a table such as { type = \"text\" }");
                Vec::new()
            }
        }
    }

    fn unknown(&mut self, (key, _): Entry, name: &str, known: &[&str]) {
        let near = known.iter().filter(|one| strsim::damerau_levenshtein(one, name) <= 2).copied().next();
        let cure = near.map_or("remove it".to_string(), |near| format!("write `{near}`"));
        let what = format!("there is no key `{name}`; there are {}", known.join(", "));
        self.problem("STO-007", key.span().start, what, &cure);
    }

    fn wrong(&mut self, value: &Spanned<DeValue>, wanted: &str) {
        let what = format!("the value `{}` is not {wanted}", self.text.get(value.span()).unwrap_or_default());
        self.push("STO-008", value, what, &format!("write {wanted}"));
    }

    fn push(&mut self, code: &'static str, value: &Spanned<DeValue>, what: String, cure: &str) {
        self.problem(code, value.span().start, what, cure);
    }

    fn problem(&mut self, code: &'static str, at: usize, what: String, cure: &str) {
        let before = self.text.get(..at).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        let words = self.text.lines().nth(line - 1).unwrap_or_default().trim();
        let place = format!("{}:{line}:{column}  {words}", self.file);
        self.problems.push(Problem::author(code, what).at(place).cure(cure));
    }

    fn no_toml(&mut self, error: &toml::de::Error) {
        let at = error.span().map_or(0, |span| span.start);
        self.problem("STO-006", at, format!("the file is not TOML: {}", error.message()), "mend the line");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
[attributes]
gender = { type = "text", alias = ["性别", "sex"], values = ["男", "女"], closed = true }
"手机 品牌" = { alias = "brand" }
[properties.amount]
type = "float"
[events]
pay = { alias = "支付" }
[details.orders.paid_at]
type = "instant"
"#;

    #[test]
    fn a_good_file_gives_types_aliases_and_closed_values() {
        let found = parse("catalog.toml", GOOD).unwrap();
        assert_eq!(found.aliases["性别"], "gender");
        assert_eq!(found.aliases["brand"], "手机 品牌");
        assert_eq!(found.closed["gender"], ["男", "女"]);
        assert_eq!(found.fixed["properties.amount"], Type::Float);
        assert_eq!(found.fixed["details.orders.paid_at"], Type::Instant);
        assert_eq!(found.fixed.len(), 3);
    }

    #[test]
    fn every_mistake_is_shown_with_its_line() {
        let text = "[attributes.a]\ntyp = \"text\"\nclosed = 1\n[atributes.b]\ntype = \"text\"\n[properties.p]\ntype = \"number\"\nalias = \"x\"\n[events]\ne = { alias = [\"x\", \"y\"] }\nf = 3\n";
        let problems = parse("c.toml", text).unwrap_err().0;
        let shown: Vec<(&str, &str)> =
            problems.iter().map(|p| (p.code, p.at.split("  ").next().unwrap())).collect();
        let expected = [
            ("STO-007", "c.toml:2:1"),
            ("STO-008", "c.toml:3:10"),
            ("STO-007", "c.toml:4:2"),
            ("STO-008", "c.toml:7:8"),
            ("STO-009", "c.toml:10:15"),
            ("STO-008", "c.toml:11:5"),
        ];
        assert_eq!(shown, expected);
        assert!(problems.iter().any(|p| p.cure == "write `type`"), "{problems:?}");
    }

    #[test]
    fn what_is_not_toml_is_shown_at_its_line() {
        let problems = parse("c.toml", "[attributes]\na = \n").unwrap_err().0;
        assert_eq!(problems[0].code, "STO-006");
        assert!(problems[0].at.starts_with("c.toml:2:"), "{}", problems[0].at);
    }
}
