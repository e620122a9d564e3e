//! What does a task file say about the task itself, for those who run tasks?
//!
//! Resource group and linked activity exist only where the home's settings switch them on (S2.14, S2.15).

use std::collections::BTreeSet;

use crate::base::{Problem, Span};

use super::reader::{Field, Reader, Section, span_of};

/// Staff of one task (S0.2).
pub const STAFF_MAX: usize = 100;

/// What lists and searches show besides name and group.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct About {
    pub resource_group: Option<String>,
    /// The activity that the task belongs to.
    pub activity: Option<String>,
    /// Names or ids of those who carry it out.
    pub staff: Vec<String>,
    /// Departments whose members carry it out too.
    pub departments: Vec<String>,
}

/// A part of tasks that a home may do without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Feature {
    ResourceGroups,
    Activities,
    /// Make, approve and start a task in one act.
    CreateStarted,
}

/// What could be read, with its places.
#[derive(Default)]
pub struct AboutPart {
    resource_group: Option<Field<String>>,
    activity: Option<Field<String>>,
    pub staff: Option<Field<Vec<String>>>,
    pub departments: Option<Field<Vec<String>>>,
}

impl Feature {
    /// The key in `[tasks]` of quanke.toml that switches it on.
    pub fn key(self) -> &'static str {
        match self {
            Feature::ResourceGroups => "resource_groups",
            Feature::Activities => "activities",
            Feature::CreateStarted => "create_starts",
        }
    }

    /// Why it cannot be used where its switch is off.
    pub fn switched_off(self, what: &str) -> Problem {
        let key = self.key();
        Problem::author("TSK-045", format!("{what} is switched off in this home"))
            .cure(format!("leave it out, or set {key} = true under [tasks] in quanke.toml"))
    }
}

impl AboutPart {
    /// The keys at the top of a task file.
    pub fn read(reader: &mut Reader, top: &Section) -> AboutPart {
        AboutPart {
            resource_group: reader.text(top, "resource_group"),
            activity: reader.text(top, "activity"),
            staff: names(reader, top, "staff", "[\"张三\", \"李四\"]"),
            departments: names(reader, top, "departments", "[\"华东/上海\"]"),
        }
    }

    /// Keys that are used, with the feature that each needs.
    pub fn needs(&self) -> Vec<(Feature, &'static str, Span)> {
        let group = self.resource_group.as_ref().map(|f| (Feature::ResourceGroups, "resource_group", f.span));
        let activity = self.activity.as_ref().map(|f| (Feature::Activities, "activity", f.span));
        group.into_iter().chain(activity).collect()
    }

    /// Without the places.
    pub fn whole(self) -> About {
        let value = |field: Option<Field<String>>| field.map(|field| field.value);
        About {
            resource_group: value(self.resource_group),
            activity: value(self.activity),
            staff: value_of(self.staff),
            departments: value_of(self.departments),
        }
    }
}

fn value_of(field: Option<Field<Vec<String>>>) -> Vec<String> {
    field.map(|field| field.value).unwrap_or_default()
}

/// `staff = ["张三", "李四"]`: each once, at most [`STAFF_MAX`].
fn names(reader: &mut Reader, top: &Section, key: &str, example: &str) -> Option<Field<Vec<String>>> {
    let value = top.value(key)?;
    let names = value.get_ref().as_array().and_then(|list| {
        list.iter().map(|item| Some(item.get_ref().as_str()?.trim().to_string())).collect::<Option<Vec<_>>>()
    });
    let is_fine = |names: &Vec<String>| {
        let unique: BTreeSet<&String> = names.iter().collect();
        unique.len() == names.len() && names.len() <= STAFF_MAX && names.iter().all(|name| !name.is_empty())
    };
    let Some(names) = names.filter(is_fine) else {
        let what = format!("`{key}` must be a list of at most {STAFF_MAX} names, each once");
        let cure = format!("write {key} = {example}");
        reader.report(Problem::author("TSK-004", what).cure(cure), span_of(value));
        return None;
    };
    Some(Field { value: names, span: span_of(value) })
}
