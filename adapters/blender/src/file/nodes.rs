//! Node trees: what the compositor does to a picture, and who else has nodes.

use super::Seen;
use super::record::Record;

/// `NODE_MUTED`.
const MUTED: u32 = 9;
/// `R_DOCOMP` of `Scene.r.scemode`.
const COMPOSITES: u32 = 6;
/// How deep groups are within each other at most.
const DEPTH_MAX: usize = 32;

/// One node.
#[derive(Clone, Copy)]
pub(super) struct Node<'a> {
    pub(super) record: Record<'a>,
    /// Whether it is in a group.
    pub(super) is_inner: bool,
}

impl<'a> Node<'a> {
    /// What it does, as in `CompositorNodeBlur`.
    pub(super) fn kind(&self) -> String {
        self.record.text("idname").unwrap_or_default()
    }

    pub(super) fn name(&self) -> String {
        self.record.text("name").unwrap_or_default()
    }

    pub(super) fn is_muted(&self) -> bool {
        self.record.has("flag", MUTED)
    }

    /// The data-block that it uses.
    pub(super) fn id(&self) -> Option<Record<'a>> {
        self.record.follow("id")
    }

    /// One of its inputs.
    pub(super) fn input(&self, identifier: &str) -> Option<Record<'a>> {
        let inputs = self.record.list("inputs");
        inputs
            .into_iter()
            .find(|one| one.text("identifier").as_deref() == Some(identifier))
    }
}

/// The compositor's tree where a render runs it.
pub(super) fn compositor<'a>(scene: &Record<'a>) -> Option<Record<'a>> {
    if !scene.has("r.scemode", COMPOSITES) {
        return None;
    }
    if scene.knows("compositing_node_group") {
        return scene.follow("compositing_node_group");
    }
    (scene.int("use_nodes")? != 0).then(|| scene.follow("nodetree"))?
}

/// All nodes of a tree and of the groups in it, each tree once.
pub(super) fn below<'a>(tree: Option<Record<'a>>) -> Vec<Node<'a>> {
    let (mut found, mut seen) = (Vec::new(), Seen::new());
    if let Some(tree) = tree {
        gather(&tree, 0, &mut seen, &mut found);
    }
    found
}

fn gather<'a>(tree: &Record<'a>, depth: usize, seen: &mut Seen, found: &mut Vec<Node<'a>>) {
    if depth == DEPTH_MAX || !seen.insert(tree.key()) {
        return;
    }
    for record in tree.list("nodes") {
        let node = Node {
            record,
            is_inner: depth > 0,
        };
        found.push(node);
        if let Some(inner) = node.id().filter(|id| id.code() == *b"NT") {
            gather(&inner, depth + 1, seen, found);
        }
    }
}

/// Nodes of the compositor that write files.
pub(super) fn file_outputs<'a>(scene: &Record<'a>) -> Vec<Node<'a>> {
    let nodes = below(compositor(scene)).into_iter();
    nodes
        .filter(|node| node.kind() == "CompositorNodeOutputFile" && !node.is_muted())
        .collect()
}

/// How many strips the sequencer has, where a render looks at it.
pub(super) fn has_strips(scene: &Record<'_>) -> bool {
    scene.has("r.scemode", 0)
        && scene
            .follow("ed")
            .is_some_and(|editing| editing.pointer("seqbase.first").is_some())
}
