//! Python's pickles, as far as PyTorch's state dicts need them: read as data, never run.
//!
//! In come bytes; out go nodes that refer to each other by number. A pickle is a program that may call any function; here a call is only written
//! down as a [`Node::Call`] with the name of the function, and whoever looks at the nodes decides which names mean something. Nodes may refer to
//! themselves in a ring, so nothing may follow them without counting its steps. Opcodes: Python's `pickletools`.

use std::collections::HashMap;

/// A value. Numbers are places in [`Pickle::nodes`].
#[derive(Debug)]
pub(super) enum Node {
    /// `None`, and whatever is of no use here: bytes, sets, numbers beyond 64 bits.
    Nothing,
    /// A truth value, as a number.
    Int(i64),
    /// Text.
    Text(String),
    /// Tuple or list.
    List(Vec<usize>),
    /// Dict or `OrderedDict`, in order.
    Dict(Vec<(usize, usize)>),
    /// Name of a class or function: `torch._utils._rebuild_tensor_v2`.
    Name(String),
    /// A call that was not made: what, with which arguments.
    Call(usize, usize),
    /// What the file keeps outside the pickle, by its identity.
    Outside(usize),
}

/// A pickle that was read.
#[derive(Debug)]
pub(super) struct Pickle {
    pub nodes: Vec<Node>,
    /// What `pickle.load` would have given.
    pub root: usize,
}

impl Pickle {
    /// Reads one pickle; the error says what is wrong with it.
    pub fn read(bytes: &[u8]) -> Result<Self, String> {
        Reader {
            bytes,
            at: 0,
            nodes: Vec::new(),
            stack: Vec::new(),
            marks: Vec::new(),
            memo: HashMap::new(),
        }
        .read()
    }

    /// The text at a place, where it is one.
    pub fn text(&self, place: usize) -> Option<&str> {
        match &self.nodes[place] {
            Node::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The items of a list or tuple.
    pub fn list(&self, place: usize) -> Option<&[usize]> {
        match &self.nodes[place] {
            Node::List(items) => Some(items),
            _ => None,
        }
    }

    /// A number that is no less than zero.
    pub fn count(&self, place: usize) -> Option<usize> {
        match self.nodes[place] {
            Node::Int(number) => usize::try_from(number).ok(),
            _ => None,
        }
    }

    /// Name and arguments of a call.
    pub fn call(&self, place: usize) -> Option<(&str, usize)> {
        let Node::Call(what, arguments) = self.nodes[place] else {
            return None;
        };
        match &self.nodes[what] {
            Node::Name(name) => Some((name, arguments)),
            _ => None,
        }
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    nodes: Vec<Node>,
    stack: Vec<usize>,
    /// Heights of the stack at each mark.
    marks: Vec<usize>,
    memo: HashMap<usize, usize>,
}

impl Reader<'_> {
    fn read(mut self) -> Result<Pickle, String> {
        loop {
            let at = self.at;
            let opcode = self.take(1)?[0];
            // Every opcode makes at most one node, so memory is bounded by the bytes.
            match opcode {
                0x80 => {
                    let protocol = self.take(1)?[0];
                    if !(2..=5).contains(&protocol) {
                        return Err(format!("it has protocol {protocol}, wanted 2 to 5"));
                    }
                }
                // FRAME: the frame's content follows
                0x95 => {
                    self.take(8)?;
                }
                b'.' => {
                    let root = self.pop()?;
                    return Ok(Pickle {
                        nodes: self.nodes,
                        root,
                    });
                }
                b'(' => self.marks.push(self.stack.len()),
                b'0' => {
                    self.pop()?;
                }
                b'1' => {
                    self.above_mark()?;
                }
                b'2' => {
                    let top = self.top()?;
                    self.stack.push(top);
                }
                b'N' => self.push(Node::Nothing),
                0x88 => self.push(Node::Int(1)),
                0x89 => self.push(Node::Int(0)),
                b'J' => {
                    let number = i32::from_le_bytes(self.array()?);
                    self.push(Node::Int(number.into()));
                }
                b'K' => {
                    let number = self.number(1)?;
                    self.push(Node::Int(number as i64));
                }
                b'M' => {
                    let number = self.number(2)?;
                    self.push(Node::Int(number as i64));
                }
                // LONG1, LONG4: two's complement of any length
                0x8a | 0x8b => {
                    let length = self.number(if opcode == 0x8a { 1 } else { 4 })?;
                    let digits = self.take(length)?;
                    let node = match digits.len() {
                        0 => Node::Int(0),
                        length @ 1..=8 => {
                            let mut whole = [if digits[length - 1] > 0x7f { 0xff } else { 0 }; 8];
                            whole[..length].copy_from_slice(digits);
                            Node::Int(i64::from_le_bytes(whole))
                        }
                        _ => Node::Nothing,
                    };
                    self.push(node);
                }
                b'G' => {
                    self.take(8)?;
                    self.push(Node::Nothing);
                }
                b'X' | 0x8c | 0x8d | b'U' | b'T' => {
                    let length = self.number(match opcode {
                        0x8c | b'U' => 1,
                        0x8d => 8,
                        _ => 4,
                    })?;
                    let text = String::from_utf8_lossy(self.take(length)?).into_owned();
                    self.push(Node::Text(text));
                }
                // bytes: SHORT_BINBYTES, BINBYTES, BINBYTES8, BYTEARRAY8
                b'C' | b'B' | 0x8e | 0x96 => {
                    let length = self.number(match opcode {
                        b'C' => 1,
                        b'B' => 4,
                        _ => 8,
                    })?;
                    self.take(length)?;
                    self.push(Node::Nothing);
                }
                b')' | b']' => self.push(Node::List(Vec::new())),
                b'}' => self.push(Node::Dict(Vec::new())),
                // EMPTY_SET, and what is put into it
                0x8f => self.push(Node::Nothing),
                0x90 => {
                    self.above_mark()?;
                    self.top()?;
                }
                // FROZENSET
                0x91 => {
                    self.above_mark()?;
                    self.push(Node::Nothing);
                }
                b't' | b'l' => {
                    let items = self.above_mark()?;
                    self.push(Node::List(items));
                }
                b'd' => {
                    let items = self.above_mark()?;
                    self.push(Node::Dict(pairs(&items)));
                }
                0x85..=0x87 => {
                    let n = usize::from(opcode - 0x84);
                    let from = self.floor(n)?;
                    let items = self.stack.split_off(from);
                    self.push(Node::List(items));
                }
                b'a' => {
                    let item = self.pop()?;
                    self.append(vec![item])?;
                }
                b'e' => {
                    let items = self.above_mark()?;
                    self.append(items)?;
                }
                b's' => {
                    let (value, key) = (self.pop()?, self.pop()?);
                    self.set(vec![(key, value)])?;
                }
                b'u' => {
                    let items = self.above_mark()?;
                    self.set(pairs(&items))?;
                }
                b'q' | b'r' => {
                    let key = self.number(if opcode == b'q' { 1 } else { 4 })?;
                    let top = self.top()?;
                    self.memo.insert(key, top);
                }
                0x94 => {
                    let top = self.top()?;
                    self.memo.insert(self.memo.len(), top);
                }
                b'h' | b'j' => {
                    let key = self.number(if opcode == b'h' { 1 } else { 4 })?;
                    let place = *self
                        .memo
                        .get(&key)
                        .ok_or("it refers to what it never kept")?;
                    self.stack.push(place);
                }
                b'c' => {
                    let (module, name) = (self.line()?, self.line()?);
                    self.push(Node::Name(format!("{module}.{name}")));
                }
                0x93 => {
                    let (name, module) = (self.pop()?, self.pop()?);
                    let text = |place: usize| match &self.nodes[place] {
                        Node::Text(text) => Ok(text.as_str()),
                        _ => Err("it names a function by something that is no text"),
                    };
                    let name = format!("{}.{}", text(module)?, text(name)?);
                    self.push(Node::Name(name));
                }
                // REDUCE, NEWOBJ
                b'R' | 0x81 => {
                    let (arguments, what) = (self.pop()?, self.pop()?);
                    let node = self.called(what, arguments);
                    self.push(node);
                }
                // NEWOBJ_EX
                0x92 => {
                    let (_, arguments, what) = (self.pop()?, self.pop()?, self.pop()?);
                    let node = self.called(what, arguments);
                    self.push(node);
                }
                // BUILD: the state of an object, of no use here
                b'b' => {
                    self.pop()?;
                    self.top()?;
                }
                b'Q' => {
                    let identity = self.pop()?;
                    self.push(Node::Outside(identity));
                }
                other => {
                    return Err(format!(
                        "byte {at} is opcode {other:#04x}, which no state dict needs"
                    ));
                }
            }
        }
    }

    /// `OrderedDict()` is a dict; every other call is only written down.
    fn called(&self, what: usize, arguments: usize) -> Node {
        let ordered =
            matches!(&self.nodes[what], Node::Name(name) if name == "collections.OrderedDict");
        let empty = matches!(&self.nodes[arguments], Node::List(items) if items.is_empty());
        match ordered && empty {
            true => Node::Dict(Vec::new()),
            false => Node::Call(what, arguments),
        }
    }

    fn push(&mut self, node: Node) {
        self.stack.push(self.nodes.len());
        self.nodes.push(node);
    }

    /// Lowest place of the stack of which `n` values may be taken without reaching below the last mark.
    fn floor(&self, n: usize) -> Result<usize, String> {
        let least = self.marks.last().copied().unwrap_or(0);
        match self.stack.len().checked_sub(n) {
            Some(from) if from >= least => Ok(from),
            _ => Err("it takes more values than it made".into()),
        }
    }

    fn pop(&mut self) -> Result<usize, String> {
        let from = self.floor(1)?;
        let top = self.stack[from];
        self.stack.truncate(from);
        Ok(top)
    }

    fn top(&self) -> Result<usize, String> {
        Ok(self.stack[self.floor(1)?])
    }

    fn above_mark(&mut self) -> Result<Vec<usize>, String> {
        let mark = self.marks.pop().ok_or("it ends a list that never began")?;
        Ok(self.stack.split_off(mark))
    }

    fn append(&mut self, items: Vec<usize>) -> Result<(), String> {
        let top = self.top()?;
        if let Node::List(list) = &mut self.nodes[top] {
            list.extend(items);
        }
        Ok(())
    }

    fn set(&mut self, items: Vec<(usize, usize)>) -> Result<(), String> {
        let top = self.top()?;
        if let Node::Dict(dict) = &mut self.nodes[top] {
            dict.extend(items);
        }
        Ok(())
    }

    fn take(&mut self, length: usize) -> Result<&[u8], String> {
        let end = self.at.checked_add(length);
        let taken = end.and_then(|end| self.bytes.get(self.at..end));
        let taken = taken.ok_or("it is cut off")?;
        self.at += length;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    /// A little-endian number of up to 8 bytes.
    fn number(&mut self, length: usize) -> Result<usize, String> {
        let mut whole = [0; 8];
        whole[..length].copy_from_slice(self.take(length)?);
        usize::try_from(u64::from_le_bytes(whole)).map_err(|_| "it is cut off".to_owned())
    }

    fn line(&mut self) -> Result<String, String> {
        let rest = &self.bytes[self.at..];
        let length = rest
            .iter()
            .position(|byte| *byte == b'\n')
            .ok_or("it is cut off")?;
        let line = String::from_utf8_lossy(&rest[..length]).into_owned();
        self.at += length + 1;
        Ok(line)
    }
}

fn pairs(items: &[usize]) -> Vec<(usize, usize)> {
    items
        .chunks_exact(2)
        .map(|pair| (pair[0], pair[1]))
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What Python's `pickle.dumps({"a": (1, -2, 300), "b": [None, True, 1 << 40]}, 2)` writes.
    #[test]
    fn a_pickle_of_python_is_read() {
        let bytes = b"\x80\x02}q\x00(X\x01\x00\x00\x00aq\x01K\x01J\xfe\xff\xff\xffM,\x01\x87q\x02X\x01\x00\x00\x00bq\x03]q\x04(N\x88\x8a\x06\x00\x00\x00\x00\x00\x01eu.";
        let pickle = Pickle::read(bytes).unwrap();
        let Node::Dict(dict) = &pickle.nodes[pickle.root] else {
            panic!("a dict")
        };
        let [(a, first), (b, second)] = dict[..] else {
            panic!("two entries")
        };
        assert_eq!((pickle.text(a), pickle.text(b)), (Some("a"), Some("b")));
        let number = |place: &usize| match pickle.nodes[*place] {
            Node::Int(number) => Some(number),
            _ => None,
        };
        let numbers = |place| {
            pickle
                .list(place)
                .unwrap()
                .iter()
                .map(number)
                .collect::<Vec<_>>()
        };
        assert_eq!(numbers(first), [Some(1), Some(-2), Some(300)]);
        assert_eq!(numbers(second), [None, Some(1), Some(1 << 40)]);
    }

    /// `posix.system('touch /tmp/x')` is written down and not made.
    #[test]
    fn a_call_is_only_written_down() {
        let bytes = b"\x80\x02cposix\nsystem\nX\x0c\x00\x00\x00touch /tmp/x\x85R.";
        let pickle = Pickle::read(bytes).unwrap();
        assert_eq!(
            pickle.call(pickle.root).map(|(name, _)| name),
            Some("posix.system")
        );
    }

    #[test]
    fn a_pickle_says_what_is_wrong_with_it() {
        let check = |bytes: &[u8], wanted: &str| {
            let error = Pickle::read(bytes).unwrap_err();
            assert!(error.contains(wanted), "{error}");
        };
        check(b"", "cut off");
        check(b"\x80\x00", "protocol 0");
        check(b"\x80\x02X\xff\xff\xff\xffa", "cut off");
        check(b"\x80\x02\x8d\xff\xff\xff\xff\xff\xff\xff\xffa", "cut off");
        check(b"\x80\x02.", "more values than it made");
        check(b"\x80\x02e", "never began");
        check(b"\x80\x02h\x07.", "never kept");
        check(b"\x80\x02P1\n.", "opcode 0x50");
        check(b"\x80\x02(K\x01(0", "more values than it made");
    }

    proptest! {
        /// Programs of the opcodes that are known, and of any bytes.
        #[test]
        fn no_pickle_panics(
            bytes in prop::collection::vec(any::<u8>(), 0..64),
            program in prop::collection::vec(prop::sample::select(b"(012NKMJG)]}tdaesuqhRQb.\x80\x85\x86\x87\x88\x8a\x8c\x8f\x90\x91\x92\x93\x94\x95c\n".to_vec()), 0..200),
        ) {
            let _ = Pickle::read(&bytes);
            if let Ok(pickle) = Pickle::read(&program) {
                prop_assert!(pickle.root < pickle.nodes.len());
                prop_assert!(pickle.nodes.len() <= program.len());
            }
        }
    }
}
