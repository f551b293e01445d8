//! The plain tree in a short form: every operator in parentheses, every kind told apart.

mod suite;

use crate::syntax::ast::*;

fn list<T>(items: &[T], show: impl Fn(&T) -> String) -> String {
    items.iter().map(show).collect::<Vec<_>>().join(", ")
}

fn path(names: &[Name]) -> String {
    names.iter().map(|name| &*name.text).collect::<Vec<_>>().join(".")
}

pub(super) fn file(file: &File) -> Vec<String> {
    match file {
        File::Machine(file) => {
            let key = file.key.as_ref().map_or(String::new(), |key| format!(" keyed {}", ty(key)));
            let head = format!("machine {}{key}", file.name.text);
            std::iter::once(head).chain(file.items.iter().map(item)).collect()
        }
        File::Migration(file) => {
            let head = format!("migration {} from {:?}", file.machine.text, file.from.text);
            std::iter::once(head).chain(file.items.iter().map(migration_item)).collect()
        }
        File::Types(file) => {
            let head = format!("types {}", file.name.text);
            std::iter::once(head).chain(file.items.iter().map(types_item)).collect()
        }
    }
}

pub(super) fn item(item: &Item) -> String {
    match item {
        Item::Config(fields, _) => format!("config {{ {} }}", list(fields, field)),
        Item::Type(decl) => format!("type {} = {}", decl.name.text, ty(&decl.body)),
        Item::Channel(channel) => {
            let answer =
                channel.answer.as_ref().map_or(String::new(), |answer| format!(" -> {}", answer.text));
            let (name, app, machine) = (&channel.name.text, &channel.app.text, &channel.machine.text);
            format!("channel {name} = {app}/{machine}({}){answer}", ty(&channel.message))
        }
        Item::Port(port) => {
            let answer = port.answer.as_ref().map_or(String::new(), |answer| format!(" -> {}", answer.text));
            format!("port {}({}){answer}", port.name.text, ty(&port.message))
        }
        Item::Invariant(text, body) => format!("invariant {:?} = {}", text.text, expr(body)),
        Item::Init(body, _) => format!("init = {}", expr(body)),
        Item::Const(decl) => constant(decl),
        Item::Use(decl) => used(decl),
        Item::Function(decl) => function(decl),
        Item::On(on) => format!("on {} => {}", pattern(&on.pattern), expr(&on.body)),
        Item::Test(test) => suite::test(test),
    }
}

fn function(decl: &FunctionDecl) -> String {
    let params = list(&decl.params, |(name, of)| format!("{}: {}", name.text, ty(of)));
    format!("fn {}({params}) -> {} = {}", decl.name.text, ty(&decl.result), expr(&decl.body))
}

fn migration_item(item: &MigrationItem) -> String {
    match item {
        MigrationItem::Rename(of, to, _) => format!("rename {} to {}", path(of), to.text),
        MigrationItem::Drop(of, None, _) => format!("drop {}", path(of)),
        MigrationItem::Drop(of, Some(other), _) => format!("drop {} else {}", path(of), expr(other)),
        MigrationItem::Keep(from, body, _) => format!("keep {} = {}", pattern(from), expr(body)),
        MigrationItem::Add(of, value, _) => format!("add {} = {}", path(of), expr(value)),
        MigrationItem::Up(from, body, _) => format!("up {} = {}", pattern(from), expr(body)),
        MigrationItem::Down(from, body, _) => format!("down {} = {}", pattern(from), expr(body)),
        MigrationItem::Lift(from, to) => format!("lift {} => {}", pattern(from), expr(to)),
        MigrationItem::Unlift(from, to) => format!("unlift {} => {}", pattern(from), expr(to)),
        MigrationItem::Lower(from, to) => format!("lower {} => {}", pattern(from), expr(to)),
        MigrationItem::Raise(from, to) => format!("raise {} => {}", pattern(from), expr(to)),
        MigrationItem::Function(decl) => function(decl),
        MigrationItem::Type(decl) => format!("type {} = {}", decl.name.text, ty(&decl.body)),
        MigrationItem::Use(decl) => used(decl),
    }
}

fn types_item(item: &TypesItem) -> String {
    match item {
        TypesItem::Use(decl) => used(decl),
        TypesItem::Type(decl) => format!("type {} = {}", decl.name.text, ty(&decl.body)),
        TypesItem::Const(decl) => constant(decl),
        TypesItem::Function(decl) => function(decl),
    }
}

fn constant(decl: &ConstDecl) -> String {
    let of = decl.ty.as_ref().map_or(String::new(), |of| format!(": {}", ty(of)));
    format!("const {}{of} = {}", decl.name.text, expr(&decl.value))
}

fn used(decl: &UseDecl) -> String {
    let names =
        decl.names.as_ref().map(|names| format!(" {{ {} }}", list(names, |name| name.text.to_string())));
    format!("use {}{}", decl.module.text, names.unwrap_or_default())
}

fn field(field: &FieldDecl) -> String {
    let default = field.default.as_ref().map_or(String::new(), |default| format!(" = {}", expr(default)));
    format!("{}: {}{default}", field.name.text, ty(&field.ty))
}

pub(super) fn ty(of: &TypeExpr) -> String {
    match of {
        TypeExpr::Named { name, args, .. } if args.is_empty() => name.text.to_string(),
        TypeExpr::Named { name, args, .. } => format!("{}({})", name.text, list(args, type_arg)),
        TypeExpr::Tuple(items, _) => format!("({})", list(items, ty)),
        TypeExpr::Record(fields, _) => format!("{{ {} }}", list(fields, field)),
        TypeExpr::Variant(cases, _) => {
            let cases = cases.iter().map(|case| {
                let internal = if case.internal { "internal " } else { "" };
                let payload =
                    case.payload.as_ref().map_or(String::new(), |payload| format!("<{}>", ty(payload)));
                format!("| {internal}{}{payload}", case.name.text)
            });
            cases.collect::<Vec<_>>().join(" ")
        }
        TypeExpr::Secret(of, _) => format!("secret {}", ty(of)),
    }
}

fn type_arg(arg: &TypeArg) -> String {
    match arg {
        TypeArg::Type(of) => ty(of),
        TypeArg::Range(lo, hi, _) => {
            let end = |end: &Option<i64>| end.map_or(String::new(), |end| end.to_string());
            format!("{}..={}", end(lo), end(hi))
        }
    }
}

pub(super) fn expr(of: &Expr) -> String {
    match &of.kind {
        ExprKind::Int(value) => value.to_string(),
        ExprKind::Duration(value) => format!("{value}ms"),
        ExprKind::Bool(value) => value.to_string(),
        ExprKind::Text(pieces) => {
            let pieces = pieces.iter().map(|piece| match piece {
                TextPiece::Lit(text) => format!("{text:?}"),
                TextPiece::Expr(value) => format!("<{}>", expr(value)),
            });
            format!("text[{}]", pieces.collect::<Vec<_>>().join(" "))
        }
        ExprKind::Var(name) => name.to_string(),
        ExprKind::Case(name, None) => name.text.to_string(),
        ExprKind::Case(name, Some(payload)) => format!("{}<{}>", name.text, expr(payload)),
        ExprKind::Tuple(items) => format!("({})", list(items, expr)),
        ExprKind::Record { base, fields } => {
            let base = base.as_ref().map_or(String::new(), |base| format!("..{}, ", expr(base)));
            format!("{{ {base}{} }}", list(fields, init))
        }
        ExprKind::List(items) => format!("[{}]", list(items, expr)),
        ExprKind::Map(entries) if entries.is_empty() => "[:]".to_owned(),
        ExprKind::Map(entries) => {
            format!("[{}]", list(entries, |(key, value)| format!("{}: {}", expr(key), expr(value))))
        }
        ExprKind::Field(base, name) => format!("{}.{}", expr(base), name.text),
        ExprKind::Index(base, index) => format!("{}[{}]", expr(base), expr(index)),
        ExprKind::Call(name, args) => format!("{}({})", name.text, list(args, expr)),
        ExprKind::Method(base, name, args) => format!("{}.{}({})", expr(base), name.text, list(args, expr)),
        ExprKind::Lambda(params, body) => format!("\\{} -> {}", list(params, pattern), expr(body)),
        ExprKind::Unary(UnaryOp::Neg, operand) => format!("(-{})", expr(operand)),
        ExprKind::Unary(UnaryOp::Not, operand) => format!("(!{})", expr(operand)),
        ExprKind::Binary(op, left, right) => format!("({} {} {})", expr(left), operator(*op), expr(right)),
        ExprKind::If(condition, yes, no) => {
            let no = no.as_ref().map_or(String::new(), |no| format!(" else {}", expr(no)));
            format!("if {} {}{no}", expr(condition), expr(yes))
        }
        ExprKind::Match(of, arms) => format!("match {} {{ {} }}", expr(of), list(arms, arm)),
        ExprKind::Block(statements, value) => {
            let value = value.as_ref().map_or(String::new(), |value| expr(value));
            let statements: String = statements.iter().map(|statement| stmt(statement) + "; ").collect();
            format!("do {{ {statements}{value} }}")
        }
        ExprKind::Fail(why) => format!("fail {}", expr(why)),
        ExprKind::Hole => "?".to_owned(),
    }
}

fn init(field: &FieldInit) -> String {
    let index = field.index.as_ref().map_or(String::new(), |index| format!("[{}]", expr(index)));
    let value = field.value.as_ref().map_or(String::new(), |value| format!(": {}", expr(value)));
    format!("{}{index}{value}", path(&field.path))
}

fn operator(op: BinaryOp) -> &'static str {
    match op {
        BinaryOp::Or => "||",
        BinaryOp::And => "&&",
        BinaryOp::Eq => "==",
        BinaryOp::Ne => "!=",
        BinaryOp::Lt => "<",
        BinaryOp::Le => "<=",
        BinaryOp::Gt => ">",
        BinaryOp::Ge => ">=",
        BinaryOp::Concat => "++",
        BinaryOp::Add => "+",
        BinaryOp::Sub => "-",
        BinaryOp::Mul => "*",
        BinaryOp::Div => "/",
        BinaryOp::Mod => "%",
    }
}

fn arm(arm: &Arm) -> String {
    let guard = arm.guard.as_ref().map_or(String::new(), |guard| format!(" if {}", expr(guard)));
    format!("{}{guard} => {}", pattern(&arm.pattern), expr(&arm.body))
}

fn stmt(statement: &Stmt) -> String {
    match &statement.kind {
        StmtKind::Let(of, value, None) => format!("let {} = {}", pattern(of), expr(value)),
        StmtKind::Let(of, value, Some(other)) => {
            format!("let {} = {} else {}", pattern(of), expr(value), expr(other))
        }
        StmtKind::Send(channel, None, message) => format!("send {} {}", channel.text, expr(message)),
        StmtKind::Send(channel, Some(key), message) => {
            format!("send {}[{}] {}", channel.text, expr(key), expr(message))
        }
        StmtKind::Timer(name, after, input) => {
            format!("timer {} after {} => {}", expr(name), expr(after), expr(input))
        }
        StmtKind::Cancel(name) => format!("cancel {}", expr(name)),
        StmtKind::Call(port, None, message) => format!("call {} {}", port.text, expr(message)),
        StmtKind::Call(port, Some(key), message) => {
            format!("call {}[{}] {}", port.text, expr(key), expr(message))
        }
        StmtKind::Log(text) => format!("log {}", expr(text)),
        StmtKind::Stop => "stop".to_owned(),
        StmtKind::For(of, over, body) => {
            let body: String = body.iter().map(|statement| stmt(statement) + "; ").collect();
            format!("for {} in {} {{ {body}}}", pattern(of), expr(over))
        }
        StmtKind::Expr(value) => expr(value),
    }
}

pub(super) fn pattern(of: &Pattern) -> String {
    match &of.kind {
        PatternKind::Wild => "_".to_owned(),
        PatternKind::Bind(name) => name.to_string(),
        PatternKind::Int(value) => value.to_string(),
        PatternKind::Range(lo, hi) => format!("{lo}..={hi}"),
        PatternKind::Duration(value) => format!("{value}ms"),
        PatternKind::Bool(value) => value.to_string(),
        PatternKind::Text(text) => format!("{text:?}"),
        PatternKind::Tuple(items) => format!("({})", list(items, pattern)),
        PatternKind::Record(fields, open) => {
            let fields = list(fields, |(name, of)| {
                let of = of.as_ref().map_or(String::new(), |of| format!(": {}", pattern(of)));
                format!("{}{of}", name.text)
            });
            format!("{{ {fields}{} }}", if *open { " .." } else { "" })
        }
        PatternKind::Case(name, None) => name.text.to_string(),
        PatternKind::Case(name, Some(payload)) => format!("{}<{}>", name.text, pattern(payload)),
        PatternKind::Or(items) => {
            format!("({})", items.iter().map(pattern).collect::<Vec<_>>().join(" | "))
        }
    }
}
