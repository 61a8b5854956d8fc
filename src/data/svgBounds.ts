// How much an SVG draws: a <use> stands for all that it refers to, and ten in each other for ten times ten times …: a
// file of a kilobyte can keep a processor for days. Counted before anything is drawn.

/** Elements that are drawn again, at most: some seconds of librsvg, which takes 0.1 ms for each. */
const mostRepeated = 20_000;
/** Where libvips looks for what tells an SVG. */
const sniffedBytes = 1000;

interface Element {
  children: number[];
  /** Names of what it draws beside them. */
  refersTo: readonly string[];
}

/** @throws Error in one line when `bytes` are an SVG that draws too much */
export function checkSvg(bytes: Uint8Array): void {
  if (bytes[0] === 0x1f && bytes[1] === 0x8b) throw new Error("a compressed SVG (svgz): unpack it first");
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  if (!buffer.subarray(0, sniffedBytes).includes("<svg")) return;
  const { elements, byName } = elementsOf(buffer.toString("latin1"));
  const most = elements.length + mostRepeated;
  if (drawn({ elements, byName, most }) > most)
    throw new Error(`it draws more than ${mostRepeated} elements again, by references in each other`);
}

function elementsOf(text: string): { elements: Element[]; byName: Map<string, number> } {
  const elements: Element[] = [{ children: [], refersTo: [] }];
  const byName = new Map<string, number>();
  const open = [0];
  for (let at = text.indexOf("<"); at >= 0; at = text.indexOf("<", at)) {
    if (text.startsWith("<!--", at)) {
      at = afterNext(text, "-->", at + 4);
      continue;
    }
    if (text.startsWith("<![CDATA[", at)) {
      at = afterNext(text, "]]>", at);
      continue;
    }
    const end = endOfTag(text, at + 1);
    const tag = text.slice(at + 1, end);
    at = end;
    if (tag.startsWith("/")) {
      if (open.length > 1) open.pop();
      continue;
    }
    if (/^[!?]/.test(tag)) continue;
    const plain = withoutReferences(tag);
    const index = elements.length;
    elements.push({
      children: [],
      refersTo: [...plain.matchAll(reference)].map(([, name]) => name as string),
    });
    const name = /\sid\s*=\s*["']([^"']*)["']/.exec(plain)?.[1];
    if (name !== undefined) byName.set(name, index);
    elements[open.at(-1) as number]?.children.push(index);
    if (!tag.endsWith("/")) open.push(index);
  }
  return { elements, byName };
}

/** To an element of the same file: by <use>, and as pattern, mask, marker and the like. */
const reference = /(?:href\s*=\s*["']\s*#|url\(\s*["']?\s*#)([^"')\s]+)/g;

function afterNext(text: string, end: string, from: number): number {
  const found = text.indexOf(end, from);
  return found < 0 ? text.length : found + end.length;
}

/** Where the > of a tag is; quoted ones are part of it. */
function endOfTag(text: string, from: number): number {
  let quote = "";
  for (let at = from; at < text.length; at++) {
    const character = text[at] as string;
    if (quote !== "") {
      if (character === quote) quote = "";
    } else if (character === '"' || character === "'") quote = character;
    else if (character === ">") return at;
  }
  return text.length;
}

/** A tag with the characters that its numbers stand for. */
function withoutReferences(tag: string): string {
  if (!tag.includes("&")) return tag;
  return tag.replace(/&#(x?)([0-9a-f]{1,6});/gi, (_, hex: string, digits: string) => {
    const code = Number.parseInt(digits, hex === "" ? 10 : 16);
    return code < 128 ? String.fromCharCode(code) : "";
  });
}

/** The elements that are drawn in all, or more than there may be. */
function drawn({
  elements,
  byName,
  most,
}: {
  elements: readonly Element[];
  byName: ReadonlyMap<string, number>;
  most: number;
}): number {
  const totals = new Map<number, number>();
  const begun = new Set<number>();
  const below = ({ children, refersTo }: Element) => [
    ...children,
    ...refersTo.flatMap((name) => byName.get(name) ?? []),
  ];
  // Depth first, without recursion: elements can be in each other as often as the file is long.
  const stack = [0];
  while (stack.length > 0) {
    const index = stack.at(-1) as number;
    const parts = below(elements[index] as Element);
    if (!begun.has(index)) {
      begun.add(index);
      stack.push(...parts.filter((part) => !begun.has(part)));
      continue;
    }
    stack.pop();
    // One that refers to itself is an error for whoever draws it.
    const sum = parts.reduce((total, part) => total + (totals.get(part) ?? 0), 1);
    if (!totals.has(index)) totals.set(index, Math.min(sum, most + 1));
  }
  return totals.get(0) as number;
}
