// Numbers drawn into pictures. Fonts are not there on every machine, and labels are numbers only: a handful of glyphs.

/** 5 rows of 3 pixels, a row to a word; `#` is ink. */
const glyphs: Readonly<Record<string, string>> = {
  "0": "### #.# #.# #.# ###",
  "1": ".#. ##. .#. .#. ###",
  "2": "### ..# ### #.. ###",
  "3": "### ..# ### ..# ###",
  "4": "#.# #.# ### ..# ..#",
  "5": "### #.. ### ..# ###",
  "6": "### #.. ### #.# ###",
  "7": "### ..# ..# ..# ..#",
  "8": "### #.# ### #.# ###",
  "9": "### #.# ### ..# ###",
  ".": "... ... ... ... .#.",
  "-": "... ... ### ... ...",
  "+": "... .#. ### .#. ...",
  ":": "... .#. ... .#. ...",
};

export const glyphHeight = 5;
const glyphWidth = 3;

/** Width of a text at scale 1. */
export function numberWidth(text: string): number {
  return Math.max(0, text.length * (glyphWidth + 1) - 1);
}

export interface Canvas {
  width: number;
  height: number;
  pixels: Uint8Array; // [height, width, 3]
}

/**
 * Draws digits and `.`, `-`, `+`, `:` in white; other characters leave a gap, and what lies outside is cut off.
 * @param at scale: pixels for each pixel of a glyph
 */
export function drawNumber(
  { width, height, pixels }: Canvas,
  text: string,
  at: { left: number; top: number; scale: number },
): void {
  const { left, top, scale } = at;
  for (const [i, character] of [...text].entries()) {
    const rows = (glyphs[character] ?? "").split(" ");
    for (let y = 0; y < glyphHeight * scale; y++)
      for (let x = 0; x < glyphWidth * scale; x++) {
        if (rows[Math.floor(y / scale)]?.[Math.floor(x / scale)] !== "#") continue;
        const column = left + i * (glyphWidth + 1) * scale + x;
        const row = top + y;
        if (column >= 0 && column < width && row >= 0 && row < height)
          pixels.fill(255, (row * width + column) * 3, (row * width + column + 1) * 3);
      }
  }
}
