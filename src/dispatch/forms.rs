//! What does a task say to whom? Its content, or of several variants the user's own.

use serde_json::{Map, Value};

use crate::base::Outcome;
use crate::task::{Content, Form, Task, Variant, variant_of};

use super::engine::Engine;
use super::sender::Sender;

/// The contents of a task, ready for many users of one sender.
pub(super) struct Forms {
    task: String,
    variants: Vec<Variant>,
    forms: Vec<Own>,
    /// The attributes that are needed, for whichever form.
    fields: Vec<String>,
}

/// A form, and which of all attributes are its own.
struct Own {
    form: Form,
    /// Of which of all fields it is made; `None` if of all, in their order.
    places: Option<Vec<usize>>,
}

impl Engine<'_> {
    /// Errors: TSK-051 for a link that is gone.
    pub(super) fn forms(&self, task: &Task, sender: &dyn Sender) -> Outcome<Forms> {
        let dispatch = &task.file.dispatch;
        let link = dispatch.link.as_deref().map(|name| self.policy.links.made(name, &task.id)).transpose()?;
        let form = |content: &Content| {
            let form = content.form_with(&|name| self.directory.is_attribute(name), link.as_ref());
            form.missing(dispatch.missing.clone()).with_fields(&sender.fields())
        };
        let forms = match dispatch.variants.as_slice() {
            [] => vec![form(&dispatch.content)],
            variants => variants.iter().map(|variant| form(&variant.content)).collect(),
        };
        Ok(Forms::new(task, forms))
    }
}

impl Forms {
    fn new(task: &Task, forms: Vec<Form>) -> Forms {
        let mut fields: Vec<String> = Vec::new();
        for name in forms.iter().flat_map(Form::fields) {
            if !fields.contains(name) {
                fields.push(name.clone());
            }
        }
        let own = |form: Form| {
            let place = |name: &String| fields.iter().position(|known| known == name);
            let places: Vec<usize> = form.fields().iter().filter_map(place).collect();
            let is_all = places.iter().copied().eq(0..fields.len());
            Own { form, places: (!is_all).then_some(places) }
        };
        let forms = forms.into_iter().map(own).collect();
        Forms { task: task.id.clone(), variants: task.file.dispatch.variants.clone(), forms, fields }
    }

    /// The attributes that are needed, in the order in which [`Forms::fill`] wants their values.
    pub fn fields(&self) -> &[String] {
        &self.fields
    }

    /// As [`Form::fill`], with the content of the user's variant.
    pub fn fill(
        &self,
        user_id: &str,
        touch_id: &[u8; 16],
        values: &[Option<String>],
    ) -> Option<(Value, Map<String, Value>)> {
        let Own { form, places } = self.own(user_id)?;
        let Some(places) = places else { return form.fill(user_id, touch_id, values) };
        let own: Vec<Option<String>> =
            places.iter().map(|place| values.get(*place).cloned().flatten()).collect();
        form.fill(user_id, touch_id, &own)
    }

    fn own(&self, user_id: &str) -> Option<&Own> {
        let found = variant_of(&self.variants, &self.task, user_id);
        let place =
            found.and_then(|found| self.variants.iter().position(|variant| std::ptr::eq(variant, found)));
        self.forms.get(place.unwrap_or(0))
    }
}
