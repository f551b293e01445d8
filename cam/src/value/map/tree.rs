//! The tree under a map: a B+tree of persistent nodes.
//!
//! Entries stand in leaves, all of them equally deep. An inner node has children and, between
//! each two, a *separator*: it is above every key to its left and at most every key to its right.
//!
//! What must stay true (`tests::shape::check` looks):
//! - keys strictly rise, within a leaf and over all leaves;
//! - a leaf holds [`LEAF_MIN`] to [`LEAF_MAX`] entries, an inner node [`INNER_MIN`] to
//!   [`INNER_MAX`] children; the root alone may hold fewer, an inner root two at least;
//! - a leaf has memory for [`LEAF_MAX`] entries at most;
//! - a tree has an entry; [`Tree::remove`] of the last one leaves it to its owner to be dropped.
//!
//! All changes go from the root down and never back up, so that no way has to be remembered: a
//! node without room is split before it is entered, and a node that could not spare a child is
//! mended before it is entered. Shared nodes on the way are copied by `Arc::make_mut`.

use std::mem;

use triomphe::Arc;

use super::super::Value;
use super::search::Key;

/// The most entries of a leaf. A greater number makes lookups faster and the copy of a shared
/// leaf slower.
pub(super) const LEAF_MAX: usize = 32;
/// The most children of an inner node.
pub(super) const INNER_MAX: usize = 16;
/// The fewest entries of a leaf. A quarter and not half of the most: so a leaf may be split
/// unevenly where keys rise, and a split or a mending pays for many changes that need neither.
pub(super) const LEAF_MIN: usize = LEAF_MAX / 4;
/// The fewest children of an inner node.
pub(super) const INNER_MIN: usize = INNER_MAX / 4;

/// A tree of one entry or more.
#[derive(Clone)]
pub(super) struct Tree<K> {
    len: usize,
    // Not behind a pointer of its own: the map has one already.
    root: Node<K>,
}

#[derive(Clone)]
pub(super) enum Node<K> {
    Leaf(Leaf<K>),
    Inner(Inner<K>),
}

#[derive(Clone)]
pub(super) struct Leaf<K> {
    pub(super) keys: Vec<K>,
    /// One for each key.
    pub(super) values: Vec<Value>,
}

#[derive(Clone)]
pub(super) struct Inner<K> {
    /// One less than children.
    pub(super) separators: Vec<K>,
    pub(super) children: Vec<Arc<Node<K>>>,
}

impl<K> Tree<K> {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn root(&self) -> &Node<K> {
        &self.root
    }

    pub(super) fn into_root(self) -> Node<K> {
        self.root
    }

    /// Returns the tree with this root, which has the shape and the keys of that of `other`.
    pub(super) fn of_shape(other: &Tree<K>, root: Node<K>) -> Tree<K> {
        Tree { len: other.len, root }
    }
}

impl<K: Key> Tree<K> {
    /// Builds the tree of entries whose keys strictly rise; there is one at least.
    pub(super) fn from_rising(entries: impl ExactSizeIterator<Item = (K, Value)>) -> Tree<K> {
        let len = entries.len();
        let mut entries = entries;
        let mut level: Vec<(K, Node<K>)> = even_parts(len, LEAF_MAX)
            .map(|size| {
                let (mut keys, mut values) = (Vec::with_capacity(size), Vec::with_capacity(size));
                for (key, value) in entries.by_ref().take(size) {
                    keys.push(key);
                    values.push(value);
                }
                (keys[0].clone(), Node::Leaf(Leaf { keys, values }))
            })
            .collect();
        while level.len() > 1 {
            let count = level.len();
            let mut nodes = level.into_iter();
            level = even_parts(count, INNER_MAX).map(|size| parent(nodes.by_ref().take(size))).collect();
        }
        let (_, root) = level.pop().expect("there is an entry, so there is a leaf");
        Tree { len, root }
    }

    #[inline]
    pub(super) fn get(&self, key: &K) -> Option<&Value> {
        let mut node = &self.root;
        loop {
            match node {
                Node::Inner(inner) => node = &inner.children[K::child(&inner.separators, key)],
                Node::Leaf(leaf) => return K::find(&leaf.keys, key).ok().map(|at| &leaf.values[at]),
            }
        }
    }

    #[inline]
    pub(super) fn get_mut(&mut self, key: &K) -> Option<&mut Value> {
        let leaf = self.leaf_mut(key);
        K::find(&leaf.keys, key).ok().map(|at| &mut leaf.values[at])
    }

    /// Returns the leaf where the key is or would be, with nothing on the way shared.
    #[inline]
    fn leaf_mut(&mut self, key: &K) -> &mut Leaf<K> {
        let mut node = &mut self.root;
        loop {
            match node {
                Node::Inner(inner) => {
                    let at = K::child(&inner.separators, key);
                    node = Arc::make_mut(&mut inner.children[at]);
                }
                Node::Leaf(leaf) => return leaf,
            }
        }
    }

    /// Adds an entry, or replaces what the key led to and returns that.
    #[inline]
    pub(super) fn insert(&mut self, key: K, value: Value) -> Option<Value> {
        let leaf = self.leaf_mut(&key);
        match K::find(&leaf.keys, &key) {
            Ok(at) => return Some(mem::replace(&mut leaf.values[at], value)),
            Err(at) if leaf.keys.len() < LEAF_MAX => leaf.insert(at, key, value),
            Err(_) => self.insert_with_room(key, value),
        }
        self.len += 1;
        None
    }

    /// Adds an entry for an absent key, and splits every full node on the way to it.
    #[cold]
    fn insert_with_room(&mut self, key: K, value: Value) {
        if self.root.is_full() {
            let inner = Inner { separators: vec![], children: vec![] };
            let only = mem::replace(&mut self.root, Node::Inner(inner));
            let Node::Inner(root) = &mut self.root else { unreachable!("it was just made an inner node") };
            root.children.push(Arc::new(only));
        }
        let mut node = &mut self.root;
        loop {
            match node {
                Node::Inner(inner) => {
                    let at = inner.child_with_room(&key);
                    node = Arc::make_mut(&mut inner.children[at]);
                }
                Node::Leaf(leaf) => {
                    let at = K::find(&leaf.keys, &key).expect_err("the key is absent");
                    return leaf.insert(at, key, value);
                }
            }
        }
    }

    /// Removes an entry and returns what its key led to. The caller looks first whether there is
    /// one, since a way that is shared is copied here.
    pub(super) fn remove(&mut self, key: &K) -> Option<Value> {
        let leaf = self.leaf_mut(key);
        let at = K::find(&leaf.keys, key).ok()?;
        leaf.keys.remove(at);
        let removed = leaf.values.remove(at);
        if leaf.keys.len() < LEAF_MIN {
            self.mend(key);
        }
        self.len -= 1;
        Some(removed)
    }

    /// Gives the leaf of the key its minimum of entries again, and the tree its shape.
    #[cold]
    fn mend(&mut self, key: &K) {
        let mut node = &mut self.root;
        while let Node::Inner(inner) = node {
            let at = inner.child_to_spare(key);
            node = Arc::make_mut(&mut inner.children[at]);
        }
        if let Node::Inner(root) = &mut self.root
            && root.separators.is_empty()
            && let Some(only) = root.children.pop()
        {
            self.root = Arc::unwrap_or_clone(only);
        }
    }

    /// Replaces each value, in the order of the keys, by what `f` makes of the entry.
    pub(super) fn try_map_values<E>(
        &mut self,
        f: &mut impl FnMut(&K, Value) -> Result<Value, E>,
    ) -> Result<(), E> {
        self.root.try_map_values(f)
    }
}

impl<K: Key> Node<K> {
    /// Returns true when there is no room for one more.
    fn is_full(&self) -> bool {
        match self {
            Node::Leaf(leaf) => leaf.keys.len() >= LEAF_MAX,
            Node::Inner(inner) => inner.children.len() >= INNER_MAX,
        }
    }

    /// Returns true when the node must be mended before something below it changes: a leaf has
    /// given its entry already, an inner node may have to give a child.
    fn is_short(&self) -> bool {
        match self {
            Node::Leaf(leaf) => leaf.keys.len() < LEAF_MIN,
            Node::Inner(inner) => inner.children.len() <= INNER_MIN,
        }
    }

    /// Cuts off the right part, and returns it with the separator before it.
    fn split(&mut self, cut: usize) -> (K, Node<K>) {
        match self {
            Node::Leaf(leaf) => {
                let right = Leaf { keys: leaf.keys.split_off(cut), values: leaf.values.split_off(cut) };
                // Two leaves that were joined to be cut elsewhere took more than a leaf may keep.
                leaf.keys.shrink_to(LEAF_MAX);
                leaf.values.shrink_to(LEAF_MAX);
                (right.keys[0].clone(), Node::Leaf(right))
            }
            Node::Inner(inner) => {
                let children = inner.children.split_off(cut);
                let separators = inner.separators.split_off(cut);
                let between = inner.separators.pop().expect("a part has two children or more");
                (between, Node::Inner(Inner { separators, children }))
            }
        }
    }

    /// Appends a node of the same level.
    fn join(&mut self, separator: K, right: Node<K>) {
        match (self, right) {
            (Node::Leaf(left), Node::Leaf(right)) => {
                left.keys.reserve_exact(right.keys.len());
                left.values.reserve_exact(right.values.len());
                left.keys.extend(right.keys);
                left.values.extend(right.values);
            }
            (Node::Inner(left), Node::Inner(right)) => {
                left.separators.push(separator);
                left.separators.extend(right.separators);
                left.children.extend(right.children);
            }
            _ => unreachable!("all leaves are equally deep"),
        }
    }

    /// Returns where to split the full node so that the key fits in. In the middle; but where the
    /// key comes after all others, as new numbers and times do, most stay, and the nodes of
    /// a map that grows at its end are well filled.
    fn cut_for(&self, key: &K) -> usize {
        let (count, last) = match self {
            Node::Leaf(leaf) => (leaf.keys.len(), leaf.keys.last()),
            Node::Inner(inner) => (inner.children.len(), inner.separators.last()),
        };
        if last.is_some_and(|last| last <= key) { count * 3 / 4 } else { count / 2 }
    }

    /// Returns how many entries or children there are, and the most there may be.
    fn fill(&self) -> (usize, usize) {
        match self {
            Node::Leaf(leaf) => (leaf.keys.len(), LEAF_MAX),
            Node::Inner(inner) => (inner.children.len(), INNER_MAX),
        }
    }

    /// Calls itself once for each level, of which there are few: a level more is four times the entries or more.
    fn try_map_values<E>(&mut self, f: &mut impl FnMut(&K, Value) -> Result<Value, E>) -> Result<(), E> {
        match self {
            Node::Leaf(leaf) => {
                for (key, value) in leaf.keys.iter().zip(&mut leaf.values) {
                    *value = f(key, mem::replace(value, Value::Unit))?;
                }
                Ok(())
            }
            Node::Inner(inner) => {
                inner.children.iter_mut().try_for_each(|child| Arc::make_mut(child).try_map_values(f))
            }
        }
    }
}

impl<K: Key> Leaf<K> {
    fn insert(&mut self, at: usize, key: K, value: Value) {
        let count = self.keys.len();
        if count == self.keys.capacity() {
            // A copy has no room to spare; twice that of a copy might be more than a leaf may hold.
            let more = (2 * count).clamp(4, LEAF_MAX) - count;
            self.keys.reserve_exact(more);
            self.values.reserve_exact(more);
        }
        self.keys.insert(at, key);
        self.values.insert(at, value);
    }
}

impl<K: Key> Inner<K> {
    /// Returns the child for the key, which was split if it was full.
    fn child_with_room(&mut self, key: &K) -> usize {
        let at = K::child(&self.separators, key);
        if !self.children[at].is_full() {
            return at;
        }
        let cut = self.children[at].cut_for(key);
        let (separator, right) = Arc::make_mut(&mut self.children[at]).split(cut);
        self.separators.insert(at, separator);
        self.children.insert(at + 1, Arc::new(right));
        K::child(&self.separators, key)
    }

    /// Returns the child for the key; if it was short, it was joined with the one beside it, or
    /// got some from there.
    fn child_to_spare(&mut self, key: &K) -> usize {
        let at = K::child(&self.separators, key);
        if !self.children[at].is_short() {
            return at;
        }
        let left = at.saturating_sub(1);
        let separator = self.separators.remove(left);
        let right = Arc::unwrap_or_clone(self.children.remove(left + 1));
        let both = Arc::make_mut(&mut self.children[left]);
        both.join(separator, right);
        // Joined up to three quarters only: a node that is full at once would soon be split again.
        if let (count, max) = both.fill()
            && count > max * 3 / 4
        {
            let (separator, right) = both.split(count / 2);
            self.separators.insert(left, separator);
            self.children.insert(left + 1, Arc::new(right));
        }
        K::child(&self.separators, key)
    }
}

/// Returns the parent of some nodes, and the least key below it.
fn parent<K: Key>(mut nodes: impl Iterator<Item = (K, Node<K>)>) -> (K, Node<K>) {
    let (least, first) = nodes.next().expect("a part has two nodes or more");
    let (mut separators, mut children) = (vec![], vec![Arc::new(first)]);
    for (separator, node) in nodes {
        separators.push(separator);
        children.push(Arc::new(node));
    }
    (least, Node::Inner(Inner { separators, children }))
}

/// Returns the sizes of the fewest parts of at most `max` each; they differ by one at most, so that
/// none is less than half of `max` where there are several.
fn even_parts(count: usize, max: usize) -> impl Iterator<Item = usize> {
    let parts = count.div_ceil(max);
    (0..parts).map(move |part| count / parts + usize::from(part < count % parts))
}
