//! `[tasks]` of quanke.toml: which parts of tasks this home has, and who makes them.

use toml::Spanned;
use toml::de::DeValue;

use super::Reader;
use crate::task::Feature;

const KEYS: [&str; 4] = ["by", "create_starts", "resource_groups", "activities"];

/// What the home's owner decided about tasks.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TaskSettings {
    /// Who changes tasks, where nobody says so.
    pub by: Option<String>,
    /// What is switched on.
    pub features: Vec<Feature>,
}

impl Reader<'_> {
    pub(super) fn tasks(&mut self, value: &Spanned<DeValue>) {
        let Some(table) = value.get_ref().as_table() else {
            return self.wrong(value, "a table", "write `[tasks]` on a line of its own");
        };
        for (key, value) in table.iter() {
            match key.get_ref().as_ref() {
                "by" => self.by(value),
                "create_starts" => self.switch(value, Feature::CreateStarted),
                "resource_groups" => self.switch(value, Feature::ResourceGroups),
                "activities" => self.switch(value, Feature::Activities),
                other => self.unknown(key.span(), other, &KEYS),
            }
        }
    }

    fn by(&mut self, value: &Spanned<DeValue>) {
        match value.get_ref().as_str().map(str::trim) {
            Some(name) if !name.is_empty() => self.settings.tasks.by = Some(name.to_string()),
            _ => self.wrong(value, "a name", "write `by = \"小王\"`"),
        }
    }

    fn switch(&mut self, value: &Spanned<DeValue>, feature: Feature) {
        match value.get_ref().as_bool() {
            Some(true) => self.settings.tasks.features.push(feature),
            Some(false) => {}
            None => self.wrong(value, "true or false", &format!("write `{} = true`", feature.key())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::settings::Settings;

    #[test]
    fn parts_of_tasks_are_switched_on() {
        let text =
            "[tasks]\nby = \"小王\"\ncreate_starts = true\nactivities = true\nresource_groups = false\n";
        let found = Settings::read(text).unwrap().tasks;
        let features = [Feature::CreateStarted, Feature::Activities];
        assert_eq!(found, TaskSettings { by: Some("小王".into()), features: found.features.clone() });
        assert!(features.iter().all(|feature| found.features.contains(feature)) && found.features.len() == 2);
        let wrong = Settings::read("[tasks]\nby = 3\nactivity = true\ncreate_starts = 1\n").unwrap_err();
        assert_eq!(wrong.0.len(), 3, "{wrong}");
    }
}
