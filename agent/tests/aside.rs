//! What an upgrade leaves out of a state is kept aside, over restarts and `make-permanent`, until a
//! rollback puts it back.

mod common;

use camshaft_agent::node::Holding;
use camshaft_store::MemoryJournal;
use common::{World, make};

const OLD: &str = "machine cart keyed Text\n\
    type Item = { n: Int, note: Text }\n\
    type State = { items: Map(Text, Item), tag: Text }\n\
    type Input = Put { item: Text, n: Int, note: Text } | Get | End\n\
    type Output = Ok | Cart(State)\n\
    init = { items: [:], tag: \"first\" }\n\
    on Put { item, n, note } => ({ ..state, items[item]: { n, note }, tag: note }, Ok)\n\
    on Get => (state, Cart(state))\n\
    on End { stop; (state, Ok) }\n";

const NEW: &str = "machine cart keyed Text\n\
    type Item = { n: Int }\n\
    type State = { items: Map(Text, Item) }\n\
    type Input = Put { item: Text, n: Int } | Get | End\n\
    type Output = Ok | Cart(State)\n\
    init = { items: [:] }\n\
    on Put { item, n } => ({ ..state, items[item]: { n } }, Ok)\n\
    on Get => (state, Cart(state))\n\
    on End { stop; (state, Ok) }\n";

const MIGRATION: &str = "migration cart from \"1.0.0\"\n\
    drop State.tag else \"born later\"\ndrop Item.note else \"put later\"\n\
    lift Put { item, n, note } => Put { item, n }\n\
    unlift Put { item, n } => Put { item, n, note: \"?\" }\n\
    lower Cart(_) => Ok\nraise Cart(_) => Ok\n";

fn world() -> World {
    let one = make("1.0.0", &[("shop/cart", OLD)], None, &[]);
    let two = make("2.0.0", &[("shop/cart", NEW)], Some(&one), &[("shop/cart", MIGRATION)]);
    World::of([one, two])
}

#[test]
fn what_was_kept_aside_is_put_back_with_later_writes() {
    for permanent in [false, true] {
        let journal = MemoryJournal::default();
        let mut node = world().open(journal.clone(), 0).expect("open");
        node.install("1.0.0").expect("install");
        let put = |item: &str, n: u8, note: &str| {
            format!("{{\"Put\":{{\"item\":\"{item}\",\"n\":{n},\"note\":\"{note}\"}}}}")
        };
        node.send("shop/cart/a", &put("nut", 1, "brown"));
        node.send("shop/cart/a", &put("fig", 2, "soft"));
        node.send("shop/cart/b", &put("nut", 5, "old"));
        node.send("shop/cart/c", &put("nut", 7, "whole"));

        let trial = node.try_out("2.0.0").expect("a trial");
        assert!(trial.passed, "{:?}", trial.failures);
        assert_eq!(trial.downgrade_lossy, 0);
        node.upgrade("2.0.0").expect("upgrade");
        // `a` is written, `b` is not, `c` ends and is born anew, `d` is born later.
        node.send("shop/cart/a", "{\"Put\":{\"item\":\"fig\",\"n\":20}}");
        node.send("shop/cart/a", "{\"Put\":{\"item\":\"pea\",\"n\":3}}");
        node.send("shop/cart/c", "\"End\"");
        node.send("shop/cart/c", "{\"Put\":{\"item\":\"nut\",\"n\":8}}");
        node.send("shop/cart/d", "{\"Put\":{\"item\":\"nut\",\"n\":9}}");
        let cart = "{\"Cart\":{\"items\":{\"fig\":{\"n\":20},\"nut\":{\"n\":1},\"pea\":{\"n\":3}}}}";
        assert_eq!(node.send("shop/cart/a", "\"Get\""), cart);
        if permanent {
            node.node.make_permanent(&node.asked()).expect("permanent");
        }
        // Once from the journal, once from a snapshot.
        for _ in 0..2 {
            drop(node);
            node = world().open(journal.clone(), 0).expect("open");
            assert_eq!(node.running(), "2.0.0");
            node.node.save_snapshot().expect("snapshot");
        }

        let report = node.rollback(Holding::Refuse).expect("rollback");
        let counts = report.rollback.expect("counts");
        let exact = if permanent { 0 } else { 1 };
        assert_eq!((counts.untouched, counts.before_image), (exact, 0));
        assert_eq!((counts.down, counts.held), (4 - exact, 0));
        for (cart, state) in [
            (
                "a",
                "{\"items\":{\"fig\":{\"n\":20,\"note\":\"soft\"},\"nut\":{\"n\":1,\"note\":\"brown\"},\
                 \"pea\":{\"n\":3,\"note\":\"put later\"}},\"tag\":\"soft\"}",
            ),
            ("b", "{\"items\":{\"nut\":{\"n\":5,\"note\":\"old\"}},\"tag\":\"old\"}"),
            ("c", "{\"items\":{\"nut\":{\"n\":8,\"note\":\"put later\"}},\"tag\":\"born later\"}"),
            ("d", "{\"items\":{\"nut\":{\"n\":9,\"note\":\"put later\"}},\"tag\":\"born later\"}"),
        ] {
            let found = node.send(&format!("shop/cart/{cart}"), "\"Get\"");
            assert_eq!(found, format!("{{\"Cart\":{state}}}"), "cart {cart}, permanent: {permanent}");
        }
    }
}
