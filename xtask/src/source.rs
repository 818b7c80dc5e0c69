//! What a Rust source says, as far as the rules ask: paths named, functions and their length, calls that
//! must not stay, all with their lines and whether they are test code.

use proc_macro2::{Span, TokenStream, TokenTree};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

/// A path named in the code, imported or used in place: `std::fs::read`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// The segments, a group import giving one path a leaf.
    pub segments: Vec<String>,
    /// Whether a `use` names it; else it is used in place, where one segment may be a variable.
    pub imported: bool,
    /// Line, from 1.
    pub line: usize,
    /// Whether it stands in test code.
    pub in_test: bool,
}

/// A function with a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// `name`, or `Type::name`.
    pub name: String,
    /// Line of its signature, from 1.
    pub line: usize,
    /// Lines from the signature to the closing brace.
    pub lines: usize,
    /// Whether it is test code.
    pub in_test: bool,
}

/// A call or construct that some rule forbids somewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Construct {
    /// Which.
    pub kind: ConstructKind,
    /// Line, from 1.
    pub line: usize,
    /// Whether it stands in test code.
    pub in_test: bool,
}

/// The constructs looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConstructKind {
    /// `.unwrap()`.
    Unwrap,
    /// `todo!()` or `unimplemented!()`.
    Unfinished,
    /// `dbg!()`.
    Debug,
    /// `async` or `.await`.
    Async,
}

/// All that was found in one source.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// Paths, in the order of their lines.
    pub named: Vec<Named>,
    /// Functions, outer before inner.
    pub functions: Vec<Function>,
    /// Constructs.
    pub constructs: Vec<Construct>,
    /// Lines of test items, which sizes leave out.
    pub test_lines: usize,
}

impl Source {
    /// Reads a source. `is_test` says that all of it is test code.
    ///
    /// # Errors
    /// The line where it is not Rust, and the parser's words.
    pub fn parse(text: &str, is_test: bool) -> Result<Self, (usize, String)> {
        let file = syn::parse_file(text).map_err(|error| (error.span().start().line, error.to_string()))?;
        let mut reader = Reader { found: Self::default(), in_test: is_test, owner: None };
        reader.visit_file(&file);
        Ok(reader.found)
    }
}

struct Reader {
    found: Source,
    in_test: bool,
    /// The type whose `impl` or trait is being read.
    owner: Option<String>,
}

impl Reader {
    fn construct(&mut self, kind: ConstructKind, span: Span) {
        self.found.constructs.push(Construct { kind, line: span.start().line, in_test: self.in_test });
    }

    fn named(&mut self, segments: Vec<String>, imported: bool, span: Span) {
        self.found.named.push(Named { segments, imported, line: span.start().line, in_test: self.in_test });
    }

    /// Reads something with attributes, as test code if they say so.
    fn within(&mut self, attributes: &[syn::Attribute], span: Span, read: impl FnOnce(&mut Self)) {
        let outer = self.in_test;
        if !outer && attributes.iter().any(marks_test) {
            self.in_test = true;
            self.found.test_lines += line_count(span);
        }
        read(self);
        self.in_test = outer;
    }

    fn function(&mut self, signature: &syn::Signature, body: Span) {
        let name = signature.ident.to_string();
        let first = signature.span().start().line;
        self.found.functions.push(Function {
            name: self.owner.as_ref().map_or(name.clone(), |owner| format!("{owner}::{name}")),
            line: first,
            lines: body.end().line + 1 - first,
            in_test: self.in_test,
        });
    }

    fn use_tree(&mut self, before: &[String], tree: &syn::UseTree) {
        let with = |ident: &syn::Ident| [before, &[ident.to_string()]].concat();
        match tree {
            syn::UseTree::Path(path) => self.use_tree(&with(&path.ident), &path.tree),
            syn::UseTree::Name(name) => self.named(with(&name.ident), true, name.span()),
            syn::UseTree::Rename(rename) => self.named(with(&rename.ident), true, rename.span()),
            syn::UseTree::Glob(glob) => self.named(before.to_vec(), true, glob.span()),
            syn::UseTree::Group(group) => group.items.iter().for_each(|item| self.use_tree(before, item)),
        }
    }

    /// Reads the tokens of a macro call, which syn leaves as they are.
    fn tokens(&mut self, tokens: TokenStream) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut at = 0;
        while at < tokens.len() {
            match &tokens[at] {
                TokenTree::Group(group) => self.tokens(group.stream()),
                TokenTree::Ident(ident) => {
                    let (segments, next) = path_at(&tokens, at);
                    let after_dot = at > 0 && is_punct(&tokens[at - 1], '.');
                    match (after_dot, ident.to_string().as_str()) {
                        (true, "unwrap") => self.construct(ConstructKind::Unwrap, ident.span()),
                        (true, "await") | (false, "async") => self.construct(ConstructKind::Async, ident.span()),
                        (true, _) => {}
                        (false, _) => self.named(segments, false, ident.span()),
                    }
                    at = next - 1;
                }
                _ => {}
            }
            at += 1;
        }
    }
}

/// The path that starts at `tokens[at]`, an identifier, and the place after it.
fn path_at(tokens: &[TokenTree], at: usize) -> (Vec<String>, usize) {
    let mut segments = vec![tokens[at].to_string()];
    let mut next = at + 1;
    while let [TokenTree::Punct(first), TokenTree::Punct(second), TokenTree::Ident(ident), ..] = &tokens[next..] {
        if (first.as_char(), second.as_char()) != (':', ':') {
            break;
        }
        segments.push(ident.to_string());
        next += 3;
    }
    (segments, next)
}

fn is_punct(token: &TokenTree, wanted: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == wanted)
}

fn line_count(span: Span) -> usize {
    span.end().line + 1 - span.start().line
}

/// `#[test]`, or a `#[cfg(…)]` that names `test` and does not negate it.
fn marks_test(attribute: &syn::Attribute) -> bool {
    if attribute.path().is_ident("cfg") {
        let syn::Meta::List(list) = &attribute.meta else {
            return false;
        };
        let words = list.tokens.to_string();
        let mut words = words.split(|c: char| !(c.is_alphanumeric() || c == '_')).filter(|word| !word.is_empty());
        return words.clone().any(|word| word == "test") && words.all(|word| word != "not");
    }
    attribute.path().segments.last().is_some_and(|segment| segment.ident == "test")
}

fn type_name(kind: &syn::Type) -> Option<String> {
    match kind {
        syn::Type::Path(path) => path.path.segments.last().map(|segment| segment.ident.to_string()),
        syn::Type::Reference(reference) => type_name(&reference.elem),
        _ => None,
    }
}

impl<'ast> Visit<'ast> for Reader {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        self.within(&item.attrs, item.span(), |reader| visit::visit_item_mod(reader, item));
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.within(&item.attrs, item.span(), |reader| {
            reader.function(&item.sig, item.block.span());
            visit::visit_item_fn(reader, item);
        });
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        let outer = std::mem::replace(&mut self.owner, type_name(&item.self_ty));
        self.within(&item.attrs, item.span(), |reader| visit::visit_item_impl(reader, item));
        self.owner = outer;
    }

    fn visit_item_trait(&mut self, item: &'ast syn::ItemTrait) {
        let outer = self.owner.replace(item.ident.to_string());
        self.within(&item.attrs, item.span(), |reader| visit::visit_item_trait(reader, item));
        self.owner = outer;
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.within(&item.attrs, item.span(), |reader| {
            reader.function(&item.sig, item.block.span());
            visit::visit_impl_item_fn(reader, item);
        });
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        if let Some(block) = &item.default {
            self.function(&item.sig, block.span());
        }
        visit::visit_trait_item_fn(self, item);
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.within(&item.attrs, item.span(), |reader| reader.use_tree(&[], &item.tree));
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        self.named(segments, false, path.span());
        visit::visit_path(self, path);
    }

    fn visit_signature(&mut self, signature: &'ast syn::Signature) {
        if let Some(word) = &signature.asyncness {
            self.construct(ConstructKind::Async, word.span);
        }
        visit::visit_signature(self, signature);
    }

    fn visit_expr_async(&mut self, expression: &'ast syn::ExprAsync) {
        self.construct(ConstructKind::Async, expression.async_token.span);
        visit::visit_expr_async(self, expression);
    }

    fn visit_expr_closure(&mut self, closure: &'ast syn::ExprClosure) {
        if let Some(word) = &closure.asyncness {
            self.construct(ConstructKind::Async, word.span);
        }
        visit::visit_expr_closure(self, closure);
    }

    fn visit_expr_await(&mut self, expression: &'ast syn::ExprAwait) {
        self.construct(ConstructKind::Async, expression.await_token.span);
        visit::visit_expr_await(self, expression);
    }

    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        if call.method == "unwrap" && call.args.is_empty() {
            self.construct(ConstructKind::Unwrap, call.method.span());
        }
        visit::visit_expr_method_call(self, call);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        match call.path.segments.last().map(|segment| segment.ident.to_string()).as_deref() {
            Some("todo" | "unimplemented") => self.construct(ConstructKind::Unfinished, call.span()),
            Some("dbg") => self.construct(ConstructKind::Debug, call.span()),
            _ => {}
        }
        self.visit_path(&call.path);
        self.tokens(call.tokens.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Source {
        Source::parse(text, false).unwrap()
    }

    fn paths(source: &Source) -> Vec<(String, usize, bool)> {
        source.named.iter().map(|named| (named.segments.join("::"), named.line, named.in_test)).collect()
    }

    #[test]
    fn imports_are_flattened_and_paths_in_macros_are_seen() {
        let source = read(
            "use std::{fs, io::{self as i, Read}, net::*};\nfn f() {\n  println!(\"{}\", std::env::var(\"A\"));\n}",
        );
        let expected = [
            ("std::fs", 1),
            ("std::io::self", 1),
            ("std::io::Read", 1),
            ("std::net", 1),
            ("println", 3),
            ("std::env::var", 3),
        ];
        assert_eq!(paths(&source), expected.map(|(path, line)| (path.to_owned(), line, false)));
    }

    #[test]
    fn functions_carry_their_owner_and_length() {
        let source = read(
            "struct S;\nimpl S {\n  fn a(&self) {\n    let _ = 1;\n  }\n}\ntrait T { fn b() {} fn c(); }\nfn d() {}",
        );
        let found: Vec<_> = source.functions.iter().map(|f| (f.name.as_str(), f.line, f.lines)).collect();
        assert_eq!(found, [("S::a", 3, 3), ("T::b", 7, 1), ("d", 8, 1)]);
    }

    #[test]
    fn constructs_are_found_in_code_and_in_macros() {
        let source =
            read("async fn f() {\n  g().await.unwrap();\n  dbg!(1);\n  todo!();\n  assert!(h().unwrap() > 0);\n}");
        let found: Vec<_> = source.constructs.iter().map(|c| (c.kind, c.line)).collect();
        let expected = [
            (ConstructKind::Async, 1),
            (ConstructKind::Unwrap, 2),
            (ConstructKind::Async, 2),
            (ConstructKind::Debug, 3),
            (ConstructKind::Unfinished, 4),
            (ConstructKind::Unwrap, 5),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn test_items_are_told_apart() {
        let source = read(
            "fn a() { x.unwrap(); }\n#[cfg(test)]\nmod tests {\n  #[test]\n  fn b() { x.unwrap(); }\n}\n#[cfg(not(test))]\nfn c() { x.unwrap(); }",
        );
        let found: Vec<_> = source.constructs.iter().map(|c| (c.line, c.in_test)).collect();
        assert_eq!(found, [(1, false), (5, true), (8, false)]);
        assert_eq!(source.test_lines, 5);
        assert!(Source::parse("fn a() { x.unwrap(); }", true).unwrap().constructs[0].in_test);
    }

    #[test]
    fn text_that_is_not_rust_is_placed() {
        assert_eq!(Source::parse("fn a() {}\nfn fn", false).unwrap_err().0, 2);
    }
}
