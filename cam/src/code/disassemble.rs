//! disassemble
