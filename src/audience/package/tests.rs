//! Forms against published and frozen bytes, round trips, and bytes that are nothing of the kind.

use proptest::collection::{btree_set, vec};
use proptest::prelude::*;
use roaring::RoaringTreemap;

use super::*;

const BINARY: [Form; 5] =
    [Form::Roaring, Form::Roaring64, Form::ClickHouse32, Form::ClickHouse64, Form::Doris];
const ENCODINGS: [Encoding; 3] = [Encoding::Raw, Encoding::Base64, Encoding::Hex];

fn read(form: Form, encoding: Encoding, bytes: &[u8]) -> Outcome<Vec<u64>> {
    Package { form, encoding }.read(bytes).map(|given| given.numbers.iter().collect())
}

fn written(form: Form, encoding: Encoding, numbers: &RoaringTreemap) -> Vec<u8> {
    let mut out = Vec::new();
    Package { form, encoding }.write(numbers, &mut out).unwrap();
    out
}

fn set(numbers: &[u64]) -> RoaringTreemap {
    numbers.iter().copied().collect()
}

fn wrong(form: Form, bytes: &[u8]) -> String {
    let problem = read(form, Encoding::Raw, bytes).unwrap_err();
    assert_eq!(problem.code, "CRD-030");
    problem.what
}

/// Examples of the two documentations: `bitmap_to_base64`, `bitmap_from_base64`, `base64_to_bitmap`.
#[test]
fn the_published_examples_are_read_and_written() {
    let examples: [(&str, &[u64]); 5] = [
        ("AA==", &[]),
        ("AQEAAAA=", &[1]),
        ("AjowAAACAAAAAAAAAJgAAAAYAAAAGgAAAAEAf5Y=", &[1, 9_999_999]),
        ("AjowAAABAAAAAAADABAAAAAAAAEAAgADAA==", &[0, 1, 2, 3]),
        ("AjowAAABAAAAAAACABAAAAABAAIAAwA=", &[1, 2, 3]),
    ];
    for (text, numbers) in examples {
        assert_eq!(read(Form::Doris, Encoding::Base64, text.as_bytes()).unwrap(), numbers);
    }
    for (text, numbers) in &examples[..3] {
        let ours = written(Form::Doris, Encoding::Base64, &set(numbers));
        assert_eq!(String::from_utf8(ours).unwrap(), format!("{text}\n"));
    }
}

#[test]
fn every_code_of_doris_and_starrocks_is_read() {
    let portable = |numbers: &[u32]| {
        let mut bytes = Vec::new();
        numbers.iter().collect::<RoaringBitmap>().serialize_into(&mut bytes).unwrap();
        bytes
    };
    let high = 1u64 << 32;
    let part = |key: u32, own: &[u8]| [&key.to_le_bytes()[..], own].concat();
    let own_list = [&[1, 2, 0, 0, 0][..], &5u32.to_le_bytes(), &9u32.to_le_bytes()].concat();
    let own_bitmap = [&[2][..], &portable(&[5, 9])].concat();
    let cases: [(Vec<u8>, &[u64]); 11] = [
        (vec![0], &[]),
        (vec![1, 7, 0, 0, 0], &[7]),
        ([&[2][..], &portable(&[5, 9])].concat(), &[5, 9]),
        (vec![3, 0, 0, 0, 0, 1, 0, 0, 0], &[high]),
        ([&[4, 1][..], &part(1, &portable(&[5, 9]))].concat(), &[high + 5, high + 9]),
        ([&[5, 2][..], &high.to_le_bytes(), &1u64.to_le_bytes()].concat(), &[1, high]),
        ([&[10, 2, 0, 0, 0][..], &high.to_le_bytes(), &1u64.to_le_bytes()].concat(), &[1, high]),
        ([&[12][..], &own_list].concat(), &[5, 9]),
        ([&[12][..], &own_bitmap].concat(), &[5, 9]),
        ([&[13, 1][..], &part(1, &own_list)].concat(), &[high + 5, high + 9]),
        ([&[13, 1][..], &part(1, &own_bitmap)].concat(), &[high + 5, high + 9]),
    ];
    for (bytes, numbers) in cases {
        assert_eq!(read(Form::Doris, Encoding::Raw, &bytes).unwrap(), numbers, "{bytes:?}");
    }
    assert!(wrong(Form::Doris, &[6]).contains("no bitmap of code 6"));
    assert_eq!(written(Form::Doris, Encoding::Raw, &set(&[high])), [3, 0, 0, 0, 0, 1, 0, 0, 0]);
}

#[test]
fn clickhouse_has_a_form_for_few_and_one_for_many() {
    let few = written(Form::ClickHouse32, Encoding::Hex, &set(&[1, 300]));
    assert_eq!(few, b"0002010000002C010000\n");
    let few = written(Form::ClickHouse64, Encoding::Hex, &set(&[1]));
    assert_eq!(few, b"00010100000000000000\n");
    for form in [Form::ClickHouse32, Form::ClickHouse64] {
        let kind = |count: u64| written(form, Encoding::Raw, &(0..count).map(|n| n * 3).collect())[0];
        assert_eq!((kind(0), kind(32), kind(33)), (0, 0, 1));
    }
}

#[test]
fn the_width_of_small_sets_is_not_guessed() {
    let narrow = written(Form::ClickHouse32, Encoding::Raw, &set(&[1, 2]));
    let wide = written(Form::ClickHouse64, Encoding::Raw, &set(&[1, 2]));
    assert!(wrong(Form::ClickHouse64, &narrow).contains("`--format clickhouse32`"));
    assert!(wrong(Form::ClickHouse32, &wide).contains("`--format clickhouse64`"));
}

#[test]
fn numbers_are_read_between_whatever_stands_there() {
    let texts = [
        "1,2,18446744073709551615",
        "\u{feff}[1, 2, 18446744073709551615]\r\n",
        "\"2\"\n1 2\n\n18446744073709551615",
    ];
    for text in texts {
        assert_eq!(read(Form::Numbers, Encoding::Raw, text.as_bytes()).unwrap(), [1, 2, u64::MAX]);
    }
    assert_eq!(read(Form::Numbers, Encoding::Raw, b"").unwrap(), [0; 0]);
    assert_eq!(written(Form::Numbers, Encoding::Raw, &set(&[3, 1])), b"1,3\n");
    for (text, word) in [("1\n-2", "line 2: `-2`"), ("1,x", "`x`"), ("18446744073709551616", "`184467")] {
        let what = wrong(Form::Numbers, text.as_bytes());
        assert!(what.contains(word), "{what}");
    }
}

#[test]
fn lines_of_text_are_values_that_add_up() {
    let text = "\u{feff}\"AQEAAAA=\"\r\n\n  AA==\nAQEAAAA=\n";
    let given = Package { form: Form::Doris, encoding: Encoding::Base64 }.read(text.as_bytes()).unwrap();
    assert_eq!((given.read, given.numbers), (2, set(&[1])));
    assert_eq!(read(Form::Doris, Encoding::Hex, b"0x0107000000\n0101000000").unwrap(), [1, 7]);
    for (encoding, text) in [(Encoding::Base64, "AA=="), (Encoding::Hex, "00")] {
        let bad = format!("{text}\n*\n");
        let problem = read(Form::Doris, encoding, bad.as_bytes()).unwrap_err();
        assert!(problem.what.starts_with("line 2 is not "), "{problem}");
        assert_eq!(read(Form::Doris, encoding, b"\n").unwrap_err().code, "CRD-030");
    }
    let problem = read(Form::Doris, Encoding::Hex, b"00\n01ff").unwrap_err();
    assert!(problem.what.starts_with("line 2: byte 1 of 2: 4 more bytes should follow, 1 do"), "{problem}");
}

#[test]
fn claims_are_not_believed() {
    let claims: [(Form, &[u8]); 6] = [
        (Form::Roaring64, &(1u64 << 60).to_le_bytes()),
        (Form::Roaring, &[0x3a, 0x30, 0, 0, 0xff, 0xff, 0xff, 0xff]),
        (Form::ClickHouse32, &[1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]),
        (Form::ClickHouse64, &[0, 33]),
        (Form::Doris, &[4, 0xff, 0xff, 0xff, 0xff, 0x0f]),
        (Form::Doris, &[10, 0xff, 0xff, 0xff, 0xff]),
    ];
    for (form, bytes) in claims {
        assert!(wrong(form, bytes).starts_with("byte "), "{form:?}");
    }
    assert!(
        wrong(Form::Doris, &[4, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2]).contains("64 bits")
    );
    assert!(BINARY.iter().all(|form| wrong(*form, &[]).contains("empty")));
    let twice = [
        &2u64.to_le_bytes()[..],
        &[0; 4],
        &[0x3a, 0x30, 0, 0, 0, 0, 0, 0],
        &[0; 4],
        &[0x3a, 0x30, 0, 0, 0, 0, 0, 0],
    ];
    assert!(wrong(Form::Roaring64, &twice.concat()).contains("ascending"));
}

#[test]
fn numbers_beyond_32_bits_need_a_wide_form() {
    let numbers = set(&[1, 1 << 32, 1 << 33]);
    for form in BINARY {
        let mut out = Vec::new();
        let done = Package { form, encoding: Encoding::Raw }.write(&numbers, &mut out);
        match form {
            Form::Roaring | Form::ClickHouse32 => {
                let problem = done.unwrap_err();
                assert_eq!(problem.code, "CRD-032");
                assert!(problem.what.contains("2 numbers") && problem.what.contains("4294967296"));
            }
            _ => done.unwrap(),
        }
    }
}

#[test]
fn endings_tell_form_and_encoding() {
    let of = |name: &str| Package::of(Path::new(name)).map(|p| (p.form, p.encoding));
    assert_eq!(of("in/a.ROARING"), Some((Form::Roaring, Encoding::Raw)));
    assert_eq!(of("a.b.roaring64.gz"), Some((Form::Roaring64, Encoding::Raw)));
    assert_eq!(of("a.starrocks.b64"), Some((Form::Doris, Encoding::Base64)));
    assert_eq!(of("*.clickhouse32.hex"), Some((Form::ClickHouse32, Encoding::Hex)));
    for none in ["a.csv", "roaring", "a.hex", "base64", "doris.hex", "-", ".."] {
        assert_eq!(of(none), None, "{none}");
    }
    assert!(Form::ALL.into_iter().all(|form| Form::of(form.word()) == Some(form)));
}

/// Numbers in clusters, alone, in runs, and beyond 32 bits.
fn numbers(wide: bool) -> impl Strategy<Value = RoaringTreemap> {
    let high = if wide { 0u64..3 } else { 0..1 };
    let scattered = btree_set((high, prop_oneof![0u64..200, 0u64..0x1_0000_0000]), 0..120);
    let run = proptest::option::of((0u64..0x10000, 0u64..10_000));
    (scattered, run).prop_map(|(scattered, run)| {
        let mut all: RoaringTreemap = scattered.into_iter().map(|(high, low)| (high << 32) | low).collect();
        if let Some((from, length)) = run {
            all.insert_range(from..from + length);
        }
        all
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn what_is_written_is_read(narrow in numbers(false), wide in numbers(true)) {
        for form in Form::ALL {
            let is_narrow = matches!(form, Form::Roaring | Form::ClickHouse32);
            let numbers = if is_narrow { &narrow } else { &wide };
            for encoding in ENCODINGS {
                let package = Package { form, encoding };
                let given = package.read(&written(form, encoding, numbers)).unwrap();
                prop_assert_eq!(&given, &Given::of(numbers.clone()), "{:?}", package);
            }
        }
    }

    /// Random bytes, and random bytes behind a beginning that is right, are read or refused.
    #[test]
    fn any_bytes_are_read_or_refused(mut bytes in vec(any::<u8>(), 0..200), head in 0usize..12) {
        let heads: [&[u8]; 12] = [
            &[], &[0x3a, 0x30, 0, 0, 1, 0, 0, 0], &[0x3b, 0x30, 0, 0, 1], &[1, 0, 0, 0, 0, 0, 0, 0],
            &[1, 20], &[0, 3], &[2, 0x3b, 0x30, 1, 0, 3], &[4, 2], &[5], &[10], &[12, 1], &[13, 1, 0, 0, 0, 0, 2],
        ];
        bytes.splice(0..0, heads[head].iter().copied());
        for form in Form::ALL {
            for encoding in ENCODINGS {
                if let Err(problem) = (Package { form, encoding }).read(&bytes) {
                    prop_assert_eq!(problem.code, "CRD-030");
                }
            }
        }
    }

    /// What is cut short is refused; so is a byte too many; a changed byte never panics.
    #[test]
    fn bytes_are_cut_and_changed(numbers in numbers(true), cut in any::<prop::sample::Index>(), byte in any::<u8>()) {
        for form in [Form::Roaring64, Form::ClickHouse64, Form::Doris] {
            let whole = written(form, Encoding::Raw, &numbers);
            let at = cut.index(whole.len());
            prop_assert!(read(form, Encoding::Raw, &whole[..at]).is_err());
            prop_assert!(read(form, Encoding::Raw, &[&whole[..], &[0]].concat()).is_err());
            let mut changed = whole.clone();
            changed[at] = byte;
            let _ = read(form, Encoding::Raw, &changed);
        }
    }
}

/// What ClickHouse and CRoaring wrote (data/packages/README.md) is read; what we write of the same
/// numbers is the same to the byte where the form leaves no choice.
// proves: S2.19
#[test]
fn frozen_bytes_are_read_and_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/packages");
    let index = std::fs::read_to_string(folder.join("index.json")).unwrap();
    let index: Vec<serde_json::Value> = serde_json::from_str(&index).unwrap();
    assert!(index.len() > 30);
    for one in index {
        let file = one["file"].as_str().unwrap();
        let form = Form::of(one["form"].as_str().unwrap()).unwrap();
        let encoding = if one["encoding"] == "hex" { Encoding::Hex } else { Encoding::Raw };
        let package = Package { form, encoding };
        assert_eq!(Package::of(Path::new(file)), Some(package));
        let runs: Vec<(u64, u64, u64)> = serde_json::from_value(one["runs"].clone()).unwrap();
        let numbers: RoaringTreemap =
            runs.iter().flat_map(|(first, count, step)| (0..*count).map(move |i| first + i * step)).collect();
        let bytes = std::fs::read(folder.join(file)).unwrap();
        assert_eq!(package.read(&bytes).unwrap(), Given::of(numbers.clone()), "{file}");
        if form != Form::Numbers {
            assert_eq!(written(form, encoding, &numbers), bytes, "{file}");
        }
    }
}
