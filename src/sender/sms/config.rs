//! The settings of an SMS gateway in quanke.toml.

use std::time::Duration;

use toml::Table;

use crate::base::Problems;
use crate::sender::http::{Times, shown};
use crate::sender::reader::Reader;

const KEYS: [&str; 16] = [
    "shape",
    "url",
    "access_key",
    "access_key_env",
    "secret",
    "secret_env",
    "sign",
    "template",
    "phone",
    "app_id",
    "account",
    "region",
    "timeout",
    "connect_timeout",
    "parallel",
    "singly",
];
const TIMEOUT: Duration = Duration::from_secs(10);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const PARALLEL: usize = 4;

/// Whose requests it speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    Aliyun,
    Tencent,
    Volcengine,
}

/// Which gateway, and as whom.
#[derive(Debug, Clone)]
pub struct Config {
    pub name: String,
    pub shape: Shape,
    pub url: String,
    pub access_key: String,
    pub secret: String,
    /// The reviewed signature 签名; a content's `sign` comes first.
    pub sign: String,
    /// The reviewed template's id; a content's `template_id` comes first.
    pub template: String,
    /// The attribute that holds the number.
    pub phone: String,
    /// Tencent's SmsSdkAppId.
    pub app_id: String,
    /// Volcengine's message group 消息组.
    pub account: String,
    pub region: String,
    pub times: Times,
    pub parallel: usize,
    /// One number in a call: then every number has its own code.
    pub is_single: bool,
}

impl Shape {
    const ALL: [Shape; 3] = [Shape::Aliyun, Shape::Tencent, Shape::Volcengine];

    /// The word in settings and on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Shape::Aliyun => "aliyun",
            Shape::Tencent => "tencent",
            Shape::Volcengine => "volcengine",
        }
    }

    /// The shape of this word.
    pub fn of(word: &str) -> Option<Shape> {
        Shape::ALL.into_iter().find(|shape| shape.word() == word)
    }

    /// Where its limits begin in `limits/sms.toml`.
    pub fn policy(self) -> &'static str {
        match self {
            Shape::Aliyun => "sms.aliyun",
            Shape::Tencent => "sms.tencent",
            Shape::Volcengine => "sms.volcengine",
        }
    }

    fn url(self) -> &'static str {
        match self {
            Shape::Aliyun => "https://dysmsapi.aliyuncs.com/",
            Shape::Tencent => "https://sms.tencentcloudapi.com/",
            Shape::Volcengine => "https://sms.volcengineapi.com/",
        }
    }

    fn region(self) -> &'static str {
        match self {
            Shape::Aliyun => "",
            Shape::Tencent => "ap-guangzhou",
            Shape::Volcengine => "cn-north-1",
        }
    }
}

impl Config {
    /// Reads `[senders.NAME]`; `look_up` reads an environment variable.
    /// Errors: SND-001 for every wrong key at once.
    pub fn read(
        name: &str,
        table: &Table,
        look_up: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Config, Problems> {
        let mut reader = Reader::new(name, table, &KEYS);
        let shape = shape(&mut reader);
        let access_key = secret(&mut reader, "access_key", look_up);
        let secret = secret(&mut reader, "secret", look_up);
        let mut needed = |is_needed: bool, key: &str| {
            if is_needed { reader.required(key) } else { reader.text(key).unwrap_or_default() }
        };
        let (sign, template) = (needed(true, "sign"), needed(false, "template"));
        let app_id = needed(shape == Shape::Tencent, "app_id");
        let account = needed(shape == Shape::Volcengine, "account");
        let config = Config {
            name: name.to_string(),
            shape,
            url: reader.url("url").unwrap_or_else(|| shape.url().into()),
            access_key,
            secret,
            sign,
            template,
            phone: reader.text("phone").unwrap_or_else(|| "phone".into()),
            app_id,
            account,
            region: reader.text("region").unwrap_or_else(|| shape.region().into()),
            times: Times {
                whole: reader.duration("timeout", TIMEOUT),
                connect: reader.duration("connect_timeout", CONNECT_TIMEOUT),
            },
            parallel: reader.parallel(PARALLEL),
            is_single: reader.flag("singly", false),
        };
        reader.finish(config)
    }

    /// Where the sender stands, for problems.
    pub fn place(&self) -> String {
        format!("sender {} {}", self.name, shown(&self.url))
    }
}

fn shape(reader: &mut Reader) -> Shape {
    let word = reader.required("shape");
    Shape::of(&word).unwrap_or_else(|| {
        if !word.is_empty() {
            let known = Shape::ALL.map(Shape::word).join(", ");
            reader.note(format!("`shape` is `{word}`; it can be {known}"), "write shape = \"aliyun\"");
        }
        Shape::Aliyun
    })
}

fn secret(reader: &mut Reader, key: &str, look_up: &dyn Fn(&str) -> Option<String>) -> String {
    let is_there = reader.has(key) || reader.has(&format!("{key}_env"));
    let found = reader.secret(key, look_up);
    if !is_there {
        reader.note(
            format!("`{key}` is missing"),
            &format!("write {key}_env = \"NAME\", a variable of the environment"),
        );
    }
    found.unwrap_or_default()
}
