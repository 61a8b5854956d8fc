// JSON that may come from anyone. V8 takes a hundred bytes and more for a value of two, so that a file of brackets
// takes fifty times its size: values and levels are counted before anything is made of them.

export interface JsonBounds {
  /** Values in all: objects, lists and what is in them. */
  values: number;
  /** Objects and lists in each other. */
  depth: number;
}

/** @throws SyntaxError when it is no JSON or has more than that */
export function parseBoundedJson(text: string, bounds: JsonBounds): unknown {
  checkBounds(text, bounds);
  return JSON.parse(text) as unknown;
}

const [quote, backslash, comma] = [0x22, 0x5c, 0x2c];
const [openList, closeList, openObject, closeObject] = [0x5b, 0x5d, 0x7b, 0x7d];

function checkBounds(text: string, { values, depth }: JsonBounds): void {
  let found = 1;
  let level = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === quote) {
      for (at++; at < text.length && text.charCodeAt(at) !== quote; at++)
        if (text.charCodeAt(at) === backslash) at++;
    } else if (code === openList || code === openObject) {
      level++;
      found++;
      if (level > depth) throw new SyntaxError(`more than ${depth} levels`);
    } else if (code === closeList || code === closeObject) {
      level--;
    } else if (code === comma) {
      found++;
    }
    if (found > values) throw new SyntaxError(`more than ${values} values`);
  }
}
