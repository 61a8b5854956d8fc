// Whether what a page shows can be read: contrast of every text with what is behind it, and no sideways scrolling.
//
// W3C, "Web Content Accessibility Guidelines (WCAG) 2.2", success criteria 1.4.3 (contrast) and 1.4.10 (reflow).

import type { Page } from "playwright-core";

/** Texts below WCAG's level AA, as "contrast: text"; texts of disabled controls are exempt. */
export function faintTexts(page: Page): Promise<string[]> {
  return page.evaluate(`(${findFaintTexts.toString()})()`);
}

/** Pixels by which the page is wider than its window. */
export function overflow(page: Page): Promise<number> {
  return page.evaluate("Math.max(0, document.documentElement.scrollWidth - innerWidth)");
}

// Of the browser's interface, what the function below uses; it runs there.
interface Style {
  color: string;
  backgroundColor: string;
  backgroundImage: string;
  fontSize: string;
  fontWeight: string;
  visibility: string;
  opacity: string;
}
interface Element {
  parentElement: Element | null;
  closest(selector: string): Element | null;
  getClientRects(): ArrayLike<{ width: number; height: number }>;
}
interface BrowserGlobals {
  document: {
    body: Element;
    createTreeWalker(
      root: Element,
      what: number,
    ): { nextNode(): { data: string; parentElement: Element } | null };
    createElement(name: "canvas"): { getContext(kind: "2d", options: object): Context };
  };
  getComputedStyle(element: Element): Style;
}
interface Context {
  fillStyle: string;
  clearRect(x: number, y: number, width: number, height: number): void;
  fillRect(x: number, y: number, width: number, height: number): void;
  getImageData(x: number, y: number, width: number, height: number): { data: Uint8ClampedArray };
}

function findFaintTexts(): string[] {
  const { document, getComputedStyle } = globalThis as unknown as BrowserGlobals;
  const context = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  type Colour = [number, number, number, number];
  // Every notation that CSS has, as the browser itself draws it.
  const parse = (colour: string): Colour => {
    context.clearRect(0, 0, 1, 1);
    context.fillStyle = colour;
    context.fillRect(0, 0, 1, 1);
    const [r = 0, g = 0, b = 0, alpha = 0] = context.getImageData(0, 0, 1, 1).data;
    return [r, g, b, alpha / 255];
  };
  const over = (top: Colour, below: Colour): Colour => {
    const mixed = [0, 1, 2].map((i) => (top[i] as number) * top[3] + (below[i] as number) * (1 - top[3]));
    return [mixed[0] as number, mixed[1] as number, mixed[2] as number, 1];
  };
  const luminance = (colour: Colour) => {
    const linear = colour.slice(0, 3).map((value) => {
      const x = value / 255;
      return x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * (linear[0] as number) + 0.7152 * (linear[1] as number) + 0.0722 * (linear[2] as number);
  };
  const background = (element: Element | null): Colour => {
    if (!element) return [255, 255, 255, 1];
    const colour = parse(getComputedStyle(element).backgroundColor);
    return colour[3] === 1 ? colour : over(colour, background(element.parentElement));
  };
  const opacity = (element: Element | null): number =>
    element ? Number(getComputedStyle(element).opacity) * opacity(element.parentElement) : 1;

  const faint: string[] = [];
  const texts = document.createTreeWalker(document.body, 4 /* NodeFilter.SHOW_TEXT */);
  for (let node = texts.nextNode(); node; node = texts.nextNode()) {
    const { data, parentElement: element } = node;
    const visible = [...Array.from(element.getClientRects())].some(
      ({ width, height }) => width > 1 && height > 1,
    );
    const style = getComputedStyle(element);
    if (data.trim() === "" || !visible || style.visibility !== "visible") continue;
    if (element.closest(":disabled, [aria-disabled=true], option, script, style")) continue;
    const behind = background(element);
    const colour = parse(style.color);
    const front = over([colour[0], colour[1], colour[2], colour[3] * opacity(element)], behind);
    const [lighter, darker] = [luminance(front), luminance(behind)].sort((a, b) => b - a) as [number, number];
    const contrast = (lighter + 0.05) / (darker + 0.05);
    const px = Number.parseFloat(style.fontSize);
    const large = px >= 24 || (px >= 18.66 && Number(style.fontWeight) >= 700);
    if (contrast < (large ? 3 : 4.5)) faint.push(`${contrast.toFixed(2)}: ${data.trim().slice(0, 60)}`);
  }
  return faint;
}
