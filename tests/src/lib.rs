//! Black-box tests of the binary: scenarios, crashes, compatibility.
