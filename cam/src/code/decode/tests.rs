//! Each way in which bytes are no module, by name; then that any module comes back from its
//! bytes, and that no bytes do harm.

use proptest::prelude::*;

use super::*;
use crate::code::encode::{digest, encode};
use crate::code::generate::{any_module, small_machine};
use crate::code::{Entry, Machine};
use crate::ty::Ty;
use crate::value::Value;
use crate::value::binary::{BinaryFault, write_number};

/// Returns the offset at which the content of a section begins, and its length.
fn content(bytes: &[u8], section: Section) -> (usize, usize) {
    let mut reader = Reader::new(&bytes[5..], 5);
    loop {
        let id = reader.byte("module").expect("the section is there");
        let mut inner = reader.inner("section").expect("the bytes are those of a module");
        let start = inner.offset();
        let length = inner.rest().len();
        if id == section as u8 {
            return (start, length);
        }
    }
}

/// Returns a module of these sections, each with its length before it.
fn of_sections(sections: &[(u8, &[u8])]) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    write_number(&mut bytes, SEMANTICS.into());
    for (id, content) in sections {
        bytes.push(*id);
        write_number(&mut bytes, content.len() as u64);
        bytes.extend(*content);
    }
    bytes
}

/// Returns why a module with this section of types is refused.
fn types(content: &[u8]) -> DecodeError {
    decode(&of_sections(&[(1, content)])).expect_err("it has no other sections")
}

/// Returns why a module with these functions is refused. Type 0 is (), type 1 Int, constant 0
/// an Int.
fn functions(content: &[u8]) -> DecodeError {
    let sections: [(u8, &[u8]); 4] = [(1, &[2, 0, 2, 0, 2]), (2, &[1, 1, 1, 2]), (3, content), (4, &[9])];
    decode(&of_sections(&sections)).expect_err("it has no entry")
}

/// Where the content of the section of types begins, and that of functions after the other two.
const TYPES: usize = 7;
const FUNCTIONS: usize = 7 + 5 + 2 + 4 + 2;

#[test]
fn each_error_stands_in_a_test() {
    let (_, errors) = include_str!("../decode.rs").split_once("pub enum DecodeError {").expect("it is there");
    let (errors, _) = errors.split_once("\n}").expect("it ends");
    // A variant begins a line after four blanks; fields and comments stand otherwise.
    let names: Vec<&str> = errors
        .lines()
        .filter_map(|line| line.strip_prefix("    ").filter(|line| line.starts_with(char::is_uppercase)))
        .map(|line| line.trim_end_matches([' ', ',', '{']))
        .collect();
    assert!(names.len() >= 18, "the errors are found: {names:?}");
    let here = include_str!("tests.rs");
    let missing: Vec<&&str> =
        names.iter().filter(|name| !here.contains(&format!("DecodeError::{name}"))).collect();
    assert!(missing.is_empty(), "no test for {missing:?}");
}

#[test]
fn what_is_no_module_at_all_is_refused() {
    assert_eq!(decode(b""), Err(DecodeError::Magic));
    assert_eq!(decode(b"CAM1\x01"), Err(DecodeError::Magic));
    assert_eq!(decode(b"CAM2"), Err(DecodeError::End { offset: 4, within: "number" }));
    assert_eq!(decode(b"CAM2\x02"), Err(DecodeError::Semantics { offset: 4, found: 2 }));
    assert_eq!(
        decode(&vec![0; MODULE_BYTES_MAX + 1]),
        Err(DecodeError::TooLong { length: MODULE_BYTES_MAX + 1 })
    );
}

#[test]
fn sections_are_known_complete_in_order_and_nothing_else() {
    assert_eq!(decode(&of_sections(&[(9, &[])])), Err(DecodeError::UnknownSection { offset: 5, id: 9 }));
    assert_eq!(
        decode(&of_sections(&[(2, &[])])),
        Err(DecodeError::SectionOrder { offset: 5, expected: "types", found: "constants" })
    );
    assert_eq!(types(&[0]), DecodeError::End { offset: 8, within: "module" });
    assert_eq!(types(&[0, 7]), DecodeError::Trailing { offset: 8, left: 1, of: "section" });
    let mut bytes = encode(&small_machine());
    bytes.push(1);
    let offset = bytes.len() - 1;
    assert_eq!(decode(&bytes), Err(DecodeError::SectionOrder { offset, expected: "names", found: "types" }));
    let mut named = small_machine();
    named.debug.name = "m".into();
    let mut bytes = encode(&named);
    bytes.push(1);
    let offset = bytes.len() - 1;
    assert_eq!(decode(&bytes), Err(DecodeError::Trailing { offset, left: 1, of: "module" }));
}

#[test]
fn numbers_are_minimal_and_in_range() {
    assert_eq!(types(&[0x80, 0x00]), DecodeError::NotMinimal { offset: TYPES });
    assert_eq!(types(&[0xff; 10]), DecodeError::NumberTooGreat { offset: TYPES });
    assert_eq!(
        types(&[2, 0, 6, 0x80, 0x80, 0x80, 0x80, 0x10]),
        DecodeError::NumberTooGreat { offset: TYPES + 3 }
    );
    assert_eq!(types(&[0x80]), DecodeError::End { offset: TYPES + 1, within: "number" });
    assert_eq!(types(&[3, 0]), DecodeError::Count { offset: TYPES, what: "types", count: 3, max: 1 });
}

#[test]
fn types_are_built_of_those_before_them_by_their_own_rules() {
    assert_eq!(types(&[1, 13]), DecodeError::Tag { offset: TYPES + 1, expected: "type", found: 13 });
    let doubled = crate::ty::TyError::DoubledSecret;
    assert_eq!(types(&[3, 0, 12, 0, 12, 1]), DecodeError::Type { offset: TYPES + 4, error: doubled });
    let key = crate::ty::TyError::SecretKey;
    assert_eq!(types(&[3, 2, 0, 0, 12, 0, 8, 1, 0]), DecodeError::Type { offset: TYPES + 6, error: key });
    assert_eq!(types(&[1, 6, 0]), DecodeError::Index { offset: TYPES + 2, what: "type", index: 0, count: 0 });
    assert_eq!(
        types(&[1, 2, 2, 0]),
        DecodeError::Type { offset: TYPES + 1, error: TyError::EmptyRange { lo: 1, hi: 0 } }
    );
    assert_eq!(types(&[2, 0, 8, 0, 0]), DecodeError::Type { offset: TYPES + 2, error: TyError::KeyType });
    assert_eq!(types(&[2, 0, 11, 1, 1, 0xff, 0, 0]), DecodeError::Utf8 { offset: TYPES + 5 });
    // A record with one Bool field whose default is 7.
    assert_eq!(
        types(&[2, 1, 10, 1, 1, b'x', 0, 0, 1, 1, 7, 0]),
        DecodeError::Value {
            offset: TYPES + 10,
            error: BinaryError { offset: 0, fault: BinaryFault::Tag { expected: "Bool", found: 7 } }
        }
    );
    assert_eq!(
        types(&[2, 1, 10, 1, 1, b'x', 0, 0, 2, 0]),
        DecodeError::Tag { offset: TYPES + 8, expected: "default", found: 2 }
    );
}

#[test]
fn instructions_are_known_and_name_what_there_is() {
    // One function from nothing to (): its head takes three bytes, then the count of its code.
    let body = |code: &[u8]| functions(&[&[1, 0, 0], code].concat());
    let code = FUNCTIONS + 4;
    assert_eq!(body(&[1, 0x00]), DecodeError::UnknownOpcode { offset: code, opcode: 0x00 });
    assert_eq!(body(&[1, 0xff]), DecodeError::UnknownOpcode { offset: code, opcode: 0xff });
    assert_eq!(
        body(&[1, 0x0A, 1]),
        DecodeError::Index { offset: code + 1, what: "constant", index: 1, count: 1 }
    );
    assert_eq!(
        body(&[1, 0x2B, 1]),
        DecodeError::Index { offset: code + 1, what: "function", index: 1, count: 1 }
    );
    assert_eq!(
        body(&[1, 0x0B, 2]),
        DecodeError::Index { offset: code + 1, what: "type", index: 2, count: 2 }
    );
    assert_eq!(body(&[1, 0x2C, 6]), DecodeError::Tag { offset: code + 1, expected: "effect", found: 6 });
    assert_eq!(
        body(&[2, 0x01]),
        DecodeError::Count { offset: code - 1, what: "instructions", count: 2, max: 1 }
    );
}

#[test]
fn an_unknown_entry_is_refused() {
    assert_eq!(
        functions(&[0]),
        DecodeError::Tag { offset: FUNCTIONS + 3, expected: "machine, edge or link", found: 9 }
    );
}

#[test]
fn blocks_nest_so_deep_and_no_deeper() {
    // FILTER with one instruction inside, and so on.
    let nested = |levels: usize| {
        let mut code = vec![1, 0, 0];
        for _ in 0..levels {
            code.extend([1, 0x27]);
        }
        code.push(0);
        code
    };
    let levels = NESTING_MAX as usize;
    // The head of the section is longer by as many bytes as its length takes more than one.
    assert_eq!(functions(&nested(levels)), DecodeError::TooDeep { offset: FUNCTIONS + 1 + 3 + 2 * levels });
    assert!(matches!(functions(&nested(levels - 1)), DecodeError::Tag { .. }), "the entry is reached");
    assert!(matches!(functions(&nested(1_000_000)), DecodeError::TooDeep { .. }));
}

#[test]
fn values_take_no_more_bytes_than_they_may_in_all() {
    // Two constants of type Bytes, together one byte above the limit.
    let half = VALUE_BYTES_MAX / 2 + 1;
    let mut value = vec![];
    write_number(&mut value, (half - 3) as u64);
    value.resize(half, 0);
    let mut constants = vec![2];
    for _ in 0..2 {
        constants.push(0);
        write_number(&mut constants, half as u64);
        constants.extend(&value);
    }
    let sections: [(u8, &[u8]); 2] = [(1, &[1, 4, 0]), (2, &constants)];
    let error = decode(&of_sections(&sections)).expect_err("the values are too long");
    let max = VALUE_BYTES_MAX - half;
    assert!(
        matches!(error, DecodeError::Count { what: "bytes of values", max: found, .. } if found == max),
        "{error}"
    );
}

#[test]
fn empty_blocks_and_members_count_too() {
    // A function of CASEs with a thousand empty blocks each.
    let mut code = vec![1, 0, 0];
    write_number(&mut code, 2000);
    for _ in 0..2000 {
        code.extend([0x0F, 0xE8, 0x07]);
        code.resize(code.len() + 1000, 0);
    }
    let error = functions(&code);
    assert!(
        matches!(error, DecodeError::Count { what: "blocks", count: 1000, max, .. } if max < 1000),
        "{error}"
    );
    // Tuples of a thousand members, each of another length.
    let mut content = vec![];
    write_number(&mut content, 351);
    content.push(0);
    for count in 650..1000 {
        content.push(9);
        write_number(&mut content, count);
        content.resize(content.len() + count as usize, 0);
    }
    let error = types(&content);
    assert!(
        matches!(error, DecodeError::Count { what: "members", count, max, .. } if max < count as usize),
        "{error}"
    );
}

#[test]
fn ports_stand_at_the_end_of_a_machine_and_are_left_out_where_there_are_none() {
    let bytes = encode(&small_machine());
    let (start, length) = content(&bytes, Section::Entry);
    assert_eq!(bytes.len(), start + length, "the entry is the last section");
    let with = |more: &[u8]| {
        let mut changed = bytes.clone();
        changed.extend(more);
        changed[start - 1] += u8::try_from(more.len()).expect("a few bytes");
        decode(&changed)
    };
    let none = DecodeError::NotCanonical { what: "the ports are written though there are none" };
    assert_eq!(with(&[0]), Err(none));
    let offset = start + length;
    assert_eq!(with(&[2, 0]), Err(DecodeError::Count { offset, what: "ports", count: 2, max: 1 }));
    let Ok(Module { entry: Entry::Machine(machine), .. }) = with(&[1, 1, b'p', 0, 0, 0]) else {
        panic!("a port with a message of type 0 and no answers")
    };
    assert_eq!((&*machine.ports[0].name, machine.ports[0].answer), ("p", None));
}

#[test]
fn another_numbering_is_refused() {
    let module = small_machine();
    let not_canonical = |change: fn(&mut Module)| {
        let mut module = module.clone();
        change(&mut module);
        decode(&encode(&module)).expect_err("it is not in canonical form")
    };
    let what = "the constants are not each once, all used, in order of first use";
    let twice = not_canonical(|module| module.constants.push(module.constants[0].clone()));
    assert_eq!(twice, DecodeError::NotCanonical { what });
    let what = "the functions are not all used, callees first, in order of first use";
    let unused = not_canonical(|module| module.functions.push(module.functions[0].clone()));
    assert_eq!(unused, DecodeError::NotCanonical { what });
    let what = "the names of functions end in empty ones, or outnumber the functions";
    let empty = not_canonical(|module| module.debug.functions = vec!["".into()]);
    assert_eq!(empty, DecodeError::NotCanonical { what });
    // An unused type cannot pass for a type of the code: it is debug information, and says nothing.
    let what = "the types are not each once, all used, in order of first use";
    let unused = not_canonical(|module| module.types.push(Ty::duration()));
    assert_eq!(unused, DecodeError::NotCanonical { what });
    // The same types, () and Int, in another place than that of their first use.
    let entry = [&[3][..], &[0; 32], &[0], &[0; 32], &[0, 0]].concat();
    let with_types = |types: &[u8], function: &[u8]| {
        let sections: [(u8, &[u8]); 4] = [(1, types), (2, &[0]), (3, function), (4, &entry)];
        decode(&of_sections(&sections)).map(|module| module.types.len())
    };
    let unit_to_int = |unit, int| [1, 1, unit, int, 2, 0x06, 0x09, 0];
    assert_eq!(with_types(&[2, 0, 2, 0, 2], &unit_to_int(0, 1)), Ok(2));
    assert_eq!(with_types(&[2, 2, 0, 2, 0], &unit_to_int(1, 0)), Err(DecodeError::NotCanonical { what }));
    assert_eq!(with_types(&[3, 0, 2, 0, 2, 0], &unit_to_int(0, 1)), Err(DecodeError::NotCanonical { what }));
    // A section of names that says nothing.
    let bytes = [encode(&module), vec![5, 4, 0, 0, 0, 0]].concat();
    assert_eq!(decode(&bytes), Err(DecodeError::NotCanonical { what: "its bytes" }));
}

#[test]
fn every_flipped_bit_is_refused_or_is_another_module() {
    let module = small_machine();
    assert_eq!(module.debug, Debug::default(), "all of its bytes are covered by the digest");
    let bytes = encode(&module);
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        if let Ok(other) = decode(&flipped) {
            assert_ne!(digest(&other), digest(&module), "bit {bit}");
            assert_eq!(encode(&other), flipped, "bit {bit}");
        }
    }
}

#[test]
fn every_cut_is_refused() {
    let bytes = encode(&small_machine());
    for end in 0..bytes.len() {
        assert!(decode(&bytes[..end]).is_err(), "cut at {end}");
    }
}

#[test]
fn the_bytes_and_digest_of_a_fixed_module_stay() {
    let bytes = encode(&small_machine());
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let fixed = concat!(
        "43414d32010129050002ffffffffffffffffff01feffffffffffffffff010b0202476f000103456e",
        "6403000109020103020401010100033804010001010a0003010100040d090101090011010a001710",
        "010a00010900010a000119030300010001022c000901010103040a00010900180418010100010203",
        "0200010002010201076e6f20646562740300",
    );
    assert_eq!(hex, fixed);
    assert_eq!(
        digest(&small_machine()).hex(),
        "79b071d89ba1d1dee8423a2d59d123bfb4bf40384f234e0b2e832defbd231b15"
    );
}

#[test]
fn values_that_are_not_of_their_type_do_not_come_back() {
    let mut module = small_machine();
    module.constants[0].1 = Value::Bool(true);
    let (start, _) = content(&encode(&module), Section::Constants);
    assert!(
        matches!(decode(&encode(&module)), Err(DecodeError::Value { offset, .. }) if offset == start + 3)
    );
}

#[test]
fn a_kind_of_module_is_part_of_its_digest() {
    let module = small_machine();
    let Entry::Machine(Machine { keyed, .. }) = module.entry else { unreachable!("it is a machine") };
    let mut other = module.clone();
    let Entry::Machine(machine) = &mut other.entry else { unreachable!("it is a machine") };
    machine.keyed = !keyed;
    assert_ne!(digest(&other), digest(&module));
}

proptest! {
    #[test]
    fn a_module_comes_back_from_its_bytes(module in any_module()) {
        let bytes = encode(&module);
        prop_assert_eq!(decode(&bytes), Ok(module));
    }

    #[test]
    fn any_bytes_do_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = decode(&bytes);
        let behind_the_head = [&of_sections(&[]), &*bytes].concat();
        let _ = decode(&behind_the_head);
    }

    #[test]
    fn changed_modules_do_no_harm(
        module in any_module(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut bytes = encode(&module);
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        if let Ok(other) = decode(&bytes) {
            prop_assert_eq!(encode(&other), bytes);
            let _ = crate::verify::verify(other);
        }
    }
}
