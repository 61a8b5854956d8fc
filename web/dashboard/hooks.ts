// What components share.

import { createContext } from "preact";
import { useContext, useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Live } from "./live.js";

export const LiveContext = createContext<Live | null>(null);

/** What the server tells; the component is drawn again whenever something of it changes. */
export function useLive(): Live {
  const live = useContext(LiveContext) as Live;
  const [, redraw] = useState(0);
  useEffect(() => live.subscribe(() => redraw((n) => n + 1)), [live]);
  return live;
}

/** A value that is kept in the browser from visit to visit. */
export function useStored<T extends string | number | boolean>(
  key: string,
  initial: T,
): [T, (value: T) => void] {
  const [value, setValue] = useState<T>(() => {
    try {
      const stored: unknown = JSON.parse(localStorage.getItem(`stylegan-${key}`) ?? "null");
      return typeof stored === typeof initial ? (stored as T) : initial;
    } catch {
      return initial;
    }
  });
  const set = (next: T) => {
    setValue(next);
    localStorage.setItem(`stylegan-${key}`, JSON.stringify(next));
  };
  return [value, set];
}

/** The width of an element in CSS pixels, 0 before it is known. */
export function useWidth<E extends HTMLElement>(): [{ current: E | null }, number] {
  const ref = useRef<E>(null);
  const [width, setWidth] = useState(0);
  useLayoutEffect(() => {
    const element = ref.current;
    if (!element) return;
    setWidth(element.clientWidth);
    const observer = new ResizeObserver(() => setWidth(element.clientWidth));
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  return [ref, width];
}

/** Whether an element is in sight, or nearly. */
export function useInSight<E extends HTMLElement>(ref: { current: E | null }): boolean {
  const [inSight, setInSight] = useState(false);
  useEffect(() => {
    const element = ref.current;
    if (!element) return;
    const observer = new IntersectionObserver(([entry]) => setInSight(entry?.isIntersecting ?? false), {
      rootMargin: "200px",
    });
    observer.observe(element);
    return () => observer.disconnect();
  }, [ref]);
  return inSight;
}

/** A number that grows when the colours of the page change. */
export function useTheme(): number {
  const [theme, setTheme] = useState(0);
  useEffect(() => {
    const next = () => setTheme((n) => n + 1);
    const media = matchMedia("(prefers-color-scheme: dark)");
    media.addEventListener("change", next);
    const observer = new MutationObserver(next);
    observer.observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
    return () => {
      media.removeEventListener("change", next);
      observer.disconnect();
    };
  }, []);
  return theme;
}

/** The present value of a colour of the style sheet. */
export function colour(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

/** Pixels of `rem` times the page's text size, for canvases: they know no style sheet. */
export function remPixels(rem: number): number {
  return Number.parseFloat(getComputedStyle(document.documentElement).fontSize) * rem;
}

/** Text of that size in the page's font. */
export function canvasFont(rem: number, ratio = 1): string {
  return `${remPixels(rem) * ratio}px ${getComputedStyle(document.documentElement).fontFamily}`;
}

/** An image, once it is there; the one before stays until then, so that nothing flickers. */
export function useImage(address: string | null): HTMLImageElement | null {
  const [image, setImage] = useState<HTMLImageElement | null>(null);
  useEffect(() => {
    if (address === null) {
      setImage(null);
      return;
    }
    const loading = new Image();
    let wanted = true;
    loading.src = address;
    loading.decode().then(
      () => wanted && setImage(loading),
      () => {},
    );
    return () => {
      wanted = false;
    };
  }, [address]);
  return image;
}
