use std::io::{Cursor, Write as _};

use super::node::VALUES_MAX;
use super::*;

fn items_within(text: &[u8], bytes: u64) -> (Vec<Item>, Result<End, String>) {
    let mut budget = Budget::new(bytes, 9);
    let source = source::Source::new(Box::new(Cursor::new(text.to_vec())), &mut budget);
    let mut items = Vec::new();
    let end = parse(source, Path::new("x.ass"), &mut |item| items.push(item));
    (items, end.map_err(|error| error.to_string()))
}

fn nodes(text: &str) -> Vec<Node> {
    let (items, end) = items_within(text.as_bytes(), u64::MAX);
    assert_eq!(end, Ok(End::Whole), "{text}");
    let node = |item| match item {
        Item::Node(node) => Some(node),
        Item::Include(_) | Item::Header { .. } => None,
    };
    items.into_iter().filter_map(node).collect()
}

fn refused(text: &str) -> String {
    items_within(text.as_bytes(), u64::MAX).1.expect_err(text)
}

#[test]
fn values_end_where_the_next_parameter_begins() {
    let node = &nodes(
        "persp_camera {\n name /0persp/1pe.rsp-Sha:pe\n matrix\n 1 0 0 0\n 0 1 0 0\n fov 54.5 -1e3\n \
         on_top on near_clip .5 uv nan inf\n label \"a {b} # \\\"c\\\" C:\\dir\\\\x\"\n empty\n}",
    )[0];
    let values = |name: &str| node.texts(name).collect::<Vec<&str>>();
    assert_eq!(values("name"), ["/0persp/1pe.rsp-Sha:pe"]);
    assert_eq!(values("matrix").len(), 8);
    assert_eq!(values("fov"), ["54.5", "-1e3"]);
    assert_eq!(node.switch("on_top"), Some(true));
    assert_eq!(node.number("near_clip"), Some(0.5));
    assert_eq!(values("uv"), ["nan", "inf"]);
    assert_eq!(node.text("label"), Some("a {b} # \"c\" C:\\dir\\x"));
    assert_eq!(values("empty"), Vec::<&str>::new());
    assert_eq!(node.params.len(), 8);
}

#[test]
fn arrays_are_as_long_as_they_say() {
    // No base85 begins with a brace: the array is not there.
    assert_eq!(
        nodes("polymesh { vlist 2 1 b85VECTOR\n}\nnext { id 1 }").len(),
        2
    );
    let node = &nodes(
        "polymesh\n{\n nsides 3 1 UINT\n4 4 4\n flags 3 1 BOOL\non off on\n next 2 2 RGB 1 1 1 2 2 2 3 3 3 4 4 4\n \
         vlist 2 1 b85VECTOR\nB$zz y!\n old 2 1 b64POINT LJ4i/+x=\n shader 2 1 NODE\n\"a\" \"b\" last 1\n}",
    )[0];
    let count = |name: &str| node.texts(name).count();
    assert_eq!((count("nsides"), count("flags"), count("next")), (3, 3, 12));
    assert_eq!((count("vlist"), count("old"), count("shader")), (0, 0, 2));
    assert_eq!(node.integer("last"), Some(1));
    let kind = |name: &str| node.get(name).and_then(|param| param.array.clone());
    assert_eq!(kind("vlist").as_deref(), Some("VECTOR"));
    assert_eq!(kind("shader").as_deref(), Some("NODE"));
}

#[test]
fn a_length_that_lies_takes_nothing_that_is_not_there() {
    let node =
        &nodes("polymesh { nsides 18446744073709551615 4000000000 UINT 4 4 visibility 7 }")[0];
    assert_eq!(node.integer("visibility"), Some(7));
    let node = &nodes("options { outputs 900000 1 STRING \"RGBA RGBA f d\" }")[0];
    assert_eq!(node.texts("outputs").count(), 1);
}

#[test]
fn many_numbers_are_stepped_over_and_few_are_kept() {
    let many = "3 ".repeat(100_000);
    let node = &nodes(&format!("polymesh {{ nsides 100000 1 UINT {many} id 5 }}"))[0];
    assert!(node.texts("nsides").count() < 1000);
    assert_eq!(node.integer("id"), Some(5));
    let texts = "\"x\" ".repeat(10_000);
    let node = &nodes(&format!("n {{ list 10000 1 STRING {texts} id 5 }}"))[0];
    assert_eq!(node.texts("list").count(), VALUES_MAX);
    assert_eq!(node.integer("id"), Some(5));
}

#[test]
fn declarations_comments_and_includes_are_stepped_over_or_told() {
    let (items, end) = items_within(
        b"### fps: 25.0\n### scene: C:/a b.ma\n# ### x: y\ninclude \"a.ass\" # why\nn{declare v constant ARRAY FLOAT \
          v 1 declare w uniform RGB w 1 1 1 # }\n}",
        u64::MAX,
    );
    assert_eq!(end, Ok(End::Whole));
    let header = |key: &str, value: &str| Item::Header {
        key: key.to_owned(),
        value: value.to_owned(),
    };
    assert_eq!(items[0], header("fps", "25.0"));
    assert_eq!(items[1], header("scene", "C:/a b.ma"));
    assert_eq!(items[2], Item::Include("a.ass".to_owned()));
    let Item::Node(node) = &items[3] else {
        panic!("{items:?}")
    };
    assert_eq!((node.text("v"), node.texts("w").count()), (Some("1"), 3));
}

#[test]
fn what_no_scene_can_be_is_refused_with_its_line() {
    for (text, words) in [
        (
            "options\n{\n xres 5\n",
            "line 4: the node `options` that begins in line 2 has no end",
        ),
        (
            "options\n{\n camera \"a\n}\n",
            "the string that begins in line 3 has no end",
        ),
        ("options\nxres 5\n", "`options` is no node"),
        ("\n}\n", "line 2: a brace belongs to no node"),
        ("\"x\"", "a string belongs to no node"),
        ("a { b { c 1 } }", "a node begins within another"),
        ("include { }", "`include` names no file"),
        ("\u{0}\u{1}PK rubbish", "is no node"),
    ] {
        let why = refused(text);
        assert!(why.contains(words), "{text:?}: {why}");
    }
    assert_eq!(nodes(""), []);
    assert_eq!(nodes("# only a comment"), []);
}

#[test]
fn a_budget_ends_the_reading_and_is_no_fault_of_the_text() {
    let text = format!(
        "options {{ xres 5 }}\nn {{ long {} }}",
        "1 ".repeat(100_000)
    );
    for bytes in [0, 1, 10, 30, 1000, 65_536, 100_000] {
        let (_, end) = items_within(text.as_bytes(), bytes);
        assert_eq!(end, Ok(End::Cut), "{bytes}");
    }
    assert_eq!(items_within(text.as_bytes(), 1000).0.len(), 1);
    let exact = text.len() as u64;
    assert_eq!(items_within(text.as_bytes(), exact).1, Ok(End::Whole));
}

#[test]
fn zipped_scenes_are_read_and_bombs_are_cut() {
    let folder = tempfile::tempdir().expect("a folder");
    let zipped = |name: &str, bytes: &mut dyn Iterator<Item = &[u8]>| {
        let path = folder.path().join(name);
        let file = std::fs::File::create(&path).expect("a file");
        let mut into = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
        for part in bytes {
            into.write_all(part).expect("room");
        }
        into.finish().expect("room");
        path
    };
    let path = zipped(
        "a.ass.gz",
        &mut [b"options { xres 77 }".as_slice()].into_iter(),
    );
    let mut found = Vec::new();
    let mut budget = Budget::new(1 << 20, 9);
    let end = read(&path, &mut budget, &mut |item| found.push(item));
    assert_eq!(end.expect("it is a scene"), End::Whole);
    assert_eq!(found.len(), 1);

    // 256 MB of blanks in 1 MB.
    let blanks = vec![b' '; 1 << 20];
    let bomb = zipped("b.ass.gz", &mut std::iter::repeat_n(blanks.as_slice(), 256));
    let mut budget = Budget::new(8 << 20, 9);
    let end = read(&bomb, &mut budget, &mut |_| {});
    assert_eq!(end.expect("cut"), End::Cut);
    assert!(!budget.has_more());

    let whole = std::fs::read(&path).expect("a file");
    let cut = folder.path().join("c.ass.gz");
    std::fs::write(&cut, &whole[..whole.len() - 9]).expect("a file");
    let error = read(&cut, &mut Budget::new(1 << 20, 9), &mut |_| {});
    assert!(
        error
            .expect_err("cut off")
            .to_string()
            .contains("cannot read")
    );
    let error = read(folder.path(), &mut Budget::new(1 << 20, 9), &mut |_| {});
    assert!(
        error
            .expect_err("a folder")
            .to_string()
            .contains("no regular file")
    );
}
