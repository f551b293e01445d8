//! The kinds of tokens and nodes of the lossless tree.

use logos::Logos;

/// A kind of token or node.
///
/// Tokens come first, from the lexer; nodes follow, from the parser.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Logos)]
#[repr(u16)]
#[allow(missing_docs, reason = "the names are the language's words and signs")]
pub enum Kind {
    #[regex(r"[ \t\r]+")]
    Space,
    #[token("\n")]
    Newline,
    #[regex(r"//[^\n]*", allow_greedy = true)]
    Comment,
    #[regex(r"[0-9][0-9_]*(ms|s|m|h|d)")]
    DurationLit,
    #[regex(r"[0-9][0-9_]*")]
    IntLit,
    #[regex(r"[a-z][A-Za-z0-9_]*")]
    Ident,
    #[regex(r"[A-Z][A-Za-z0-9_]*")]
    TypeIdent,
    #[token("_")]
    Underscore,
    #[token("(")]
    LParen,
    #[token(")")]
    RParen,
    #[token("[")]
    LBracket,
    #[token("]")]
    RBracket,
    #[token("{")]
    LBrace,
    #[token("}")]
    RBrace,
    #[token(",")]
    Comma,
    #[token(";")]
    Semicolon,
    #[token(":")]
    Colon,
    #[token("..=")]
    DotDotEq,
    #[token("..")]
    DotDot,
    #[token(".")]
    Dot,
    #[token("->")]
    Arrow,
    #[token("=>")]
    FatArrow,
    #[token("==")]
    EqEq,
    #[token("!=")]
    NotEq,
    #[token("<=")]
    LtEq,
    #[token(">=")]
    GtEq,
    #[token("<")]
    Lt,
    #[token(">")]
    Gt,
    #[token("=")]
    Eq,
    #[token("||")]
    OrOr,
    #[token("&&")]
    AndAnd,
    #[token("|")]
    Bar,
    #[token("++")]
    PlusPlus,
    #[token("+")]
    Plus,
    #[token("-")]
    Minus,
    #[token("*")]
    Star,
    #[token("/")]
    Slash,
    #[token("%")]
    Percent,
    #[token("!")]
    Bang,
    #[token("?")]
    Question,
    #[token("\"")]
    Quote,
    /// Letters of a text, between its quotes and braces.
    TextPart,
    /// What the lexer does not know.
    Unknown,
    End,

    Root,
    Item,
    TypeNode,
    FieldNode,
    CaseNode,
    ExprNode,
    PatternNode,
    StmtNode,
    ArmNode,
    BlockNode,
    ErrorNode,
}

impl Kind {
    /// Returns true for what stands between the words of the language.
    pub fn is_trivia(self) -> bool {
        matches!(self, Kind::Space | Kind::Newline | Kind::Comment)
    }
}

/// The language of the tree, for rowan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cam {}

impl rowan::Language for Cam {
    type Kind = Kind;

    fn kind_from_raw(raw: rowan::SyntaxKind) -> Kind {
        const KINDS: [Kind; Kind::ErrorNode as usize + 1] = kinds();
        KINDS[usize::from(raw.0)]
    }

    fn kind_to_raw(kind: Kind) -> rowan::SyntaxKind {
        rowan::SyntaxKind(kind as u16)
    }
}

/// Returns all kinds in order, so that a number can be turned back without `unsafe`.
const fn kinds() -> [Kind; Kind::ErrorNode as usize + 1] {
    use Kind::*;
    [
        Space,
        Newline,
        Comment,
        DurationLit,
        IntLit,
        Ident,
        TypeIdent,
        Underscore,
        LParen,
        RParen,
        LBracket,
        RBracket,
        LBrace,
        RBrace,
        Comma,
        Semicolon,
        Colon,
        DotDotEq,
        DotDot,
        Dot,
        Arrow,
        FatArrow,
        EqEq,
        NotEq,
        LtEq,
        GtEq,
        Lt,
        Gt,
        Eq,
        OrOr,
        AndAnd,
        Bar,
        PlusPlus,
        Plus,
        Minus,
        Star,
        Slash,
        Percent,
        Bang,
        Question,
        Quote,
        TextPart,
        Unknown,
        End,
        Root,
        Item,
        TypeNode,
        FieldNode,
        CaseNode,
        ExprNode,
        PatternNode,
        StmtNode,
        ArmNode,
        BlockNode,
        ErrorNode,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_comes_back_from_its_number() {
        for (index, kind) in kinds().into_iter().enumerate() {
            assert_eq!(kind as usize, index);
        }
    }
}
