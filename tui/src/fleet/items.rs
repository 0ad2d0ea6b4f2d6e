//! Lists that nodes keep (services, jobs, shells): a row keeps its id for as long as its node lists that key.
//!
//! Bounded by node and in all: what comes beyond is counted by nobody and not taken in.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use p2p_shared::id::NodeId;
use p2p_shared::time::Millis;

/// Rows beyond this many of one node are not taken in.
const NODE_ITEMS_MAX: usize = 12_000;
/// Rows beyond this many in all are not taken in.
const ITEMS_MAX: usize = 500_000;
/// How long a list that began anew may take to arrive.
const LIST: Millis = Millis(2_000);

/// A row, never used for another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ItemId(u64);

/// One row.
#[derive(Clone, Debug, PartialEq)]
pub struct Item<K, V> {
    /// Whose.
    pub node: NodeId,
    /// What its node calls it.
    pub key: K,
    /// What its node said of it.
    pub value: V,
}

#[derive(Clone, Debug)]
struct List<K> {
    ids: BTreeMap<K, ItemId>,
    /// A list that began anew, and when: keys not yet named in it.
    unconfirmed: Option<(Millis, BTreeSet<K>)>,
}

impl<K> Default for List<K> {
    fn default() -> Self {
        Self { ids: BTreeMap::new(), unconfirmed: None }
    }
}

/// The rows of all nodes.
#[derive(Clone, Debug)]
pub struct Items<K, V> {
    items: HashMap<ItemId, Item<K, V>>,
    lists: BTreeMap<NodeId, List<K>>,
    last: u64,
}

impl<K, V> Default for Items<K, V> {
    fn default() -> Self {
        Self { items: HashMap::new(), lists: BTreeMap::new(), last: 0 }
    }
}

impl<K: Ord + Clone, V> Items<K, V> {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// A row, if it is still listed.
    pub fn get(&self, id: ItemId) -> Option<&Item<K, V>> {
        self.items.get(&id)
    }

    /// Every row of one node, by key.
    pub fn of(&self, node: NodeId) -> impl Iterator<Item = ItemId> + use<'_, K, V> {
        self.lists.get(&node).into_iter().flat_map(|list| list.ids.values().copied())
    }

    /// The row of a key.
    pub fn find(&self, node: NodeId, key: &K) -> Option<ItemId> {
        self.lists.get(&node)?.ids.get(key).copied()
    }

    /// A new row, or news of one.
    pub fn put(&mut self, node: NodeId, key: K, value: V) {
        let list = self.lists.entry(node).or_default();
        if let Some((_, unconfirmed)) = &mut list.unconfirmed {
            unconfirmed.remove(&key);
        }
        if let Some(item) = list.ids.get(&key).and_then(|id| self.items.get_mut(id)) {
            item.value = value;
            return;
        }
        if list.ids.len() >= NODE_ITEMS_MAX || self.items.len() >= ITEMS_MAX {
            return;
        }
        self.last += 1;
        let id = ItemId(self.last);
        list.ids.insert(key.clone(), id);
        self.items.insert(id, Item { node, key, value });
    }

    /// A row went.
    pub fn remove(&mut self, node: NodeId, key: &K) {
        if let Some(id) = self.lists.get_mut(&node).and_then(|list| list.ids.remove(key)) {
            self.items.remove(&id);
        }
    }

    /// The whole list of a node, as far as its keys are `of` that sort.
    pub fn replace(&mut self, node: NodeId, of: impl Fn(&K) -> bool, rows: Vec<(K, V)>) {
        let named: BTreeSet<K> = rows.iter().map(|(key, _)| key.clone()).collect();
        let keys = self.lists.get(&node).into_iter().flat_map(|list| list.ids.keys());
        let gone: Vec<K> = keys.filter(|key| of(key) && !named.contains(key)).cloned().collect();
        gone.iter().for_each(|key| self.remove(node, key));
        for (key, value) in rows {
            self.put(node, key, value);
        }
    }

    /// A list begins anew and comes in parts: who of that sort is not named within two seconds is gone.
    pub fn begin_anew(&mut self, node: NodeId, of: impl Fn(&K) -> bool, now: Millis) {
        let list = self.lists.entry(node).or_default();
        let keys = list.ids.keys().filter(|key| of(key)).cloned().collect();
        list.unconfirmed = Some((now, keys));
    }

    /// Removes what lists that began anew did not name in time; answers their nodes.
    pub fn sweep(&mut self, now: Millis) -> Vec<NodeId> {
        let due =
            |list: &List<K>| list.unconfirmed.as_ref().is_some_and(|(came, _)| now.since(*came) >= LIST);
        let nodes: Vec<NodeId> =
            self.lists.iter().filter(|(_, list)| due(list)).map(|(node, _)| *node).collect();
        for node in &nodes {
            let unconfirmed = self.lists.get_mut(node).and_then(|list| list.unconfirmed.take());
            for key in unconfirmed.into_iter().flat_map(|(_, keys)| keys) {
                self.remove(*node, &key);
            }
        }
        nodes
    }

    /// Forgets a node.
    pub fn forget(&mut self, node: NodeId) {
        for id in self.lists.remove(&node).into_iter().flat_map(|list| list.ids.into_values()) {
            self.items.remove(&id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_keeps_its_id_while_it_is_listed_and_never_gets_that_of_another() {
        let node = NodeId::new([1; 32]);
        let mut items: Items<&str, u32> = Items::default();
        items.put(node, "a", 1);
        items.put(node, "b", 2);
        let (a, b) = (items.find(node, &"a").unwrap(), items.find(node, &"b").unwrap());
        items.begin_anew(node, |_| true, Millis(0));
        items.put(node, "a", 3);
        assert_eq!(items.sweep(Millis(1_999)), []);
        assert_eq!(items.len(), 2, "it may still be named by a further message");
        assert_eq!(items.sweep(Millis(2_000)), [node]);
        assert_eq!(items.get(a).map(|item| item.value), Some(3));
        assert!(items.get(b).is_none());
        items.replace(node, |_| true, vec![("b", 4)]);
        assert_ne!(items.find(node, &"b"), Some(b));
        assert!(items.get(a).is_none());
        items.forget(node);
        assert!(items.is_empty());
    }

    #[test]
    fn a_list_of_one_sort_leaves_the_other_alone() {
        let node = NodeId::new([1; 32]);
        let mut items: Items<(u8, &str), ()> = Items::default();
        items.put(node, (0, "a"), ());
        items.put(node, (1, "a"), ());
        items.replace(node, |(sort, _)| *sort == 0, vec![]);
        assert_eq!(items.of(node).count(), 1);
        assert!(items.find(node, &(1, "a")).is_some());
    }
}
