// One picture, drawn as it arrives; the one before stays until then.

import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { View } from "./messages.js";
import { keyOf, type Picture, type Pictures } from "./pictures.js";

export interface PictureOptions {
  pictures: Pictures;
  slot: string;
  view: View;
  priority: number;
}

/** The picture of a view, once it is computed; and the error, if it could not be. */
export function usePicture({ pictures, slot, view, priority }: PictureOptions) {
  const [state, setState] = useState<{ key: string; picture?: Picture; error?: string }>();
  const key = keyOf(view);
  useEffect(() => {
    let wanted = true;
    pictures.request(slot, { view, priority }).then(
      (picture) => wanted && setState({ key, picture }),
      (error: Error) => wanted && setState({ key, error: error.message }),
    );
    return () => {
      wanted = false;
    };
  }, [pictures, slot, key, priority]);
  useEffect(() => () => pictures.cancel(slot), [pictures, slot]);
  return { picture: state?.picture, error: state?.error, pending: state?.key !== key };
}

export interface PictureCanvasProps {
  picture: Picture | undefined;
  resolution: number;
  label: string;
  pending: boolean;
}

export function PictureCanvas({ picture, resolution, label, pending }: PictureCanvasProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  // Before the browser shows that the picture is no longer pending.
  useLayoutEffect(() => {
    if (picture)
      canvas.current
        ?.getContext("2d")
        ?.putImageData(new ImageData(picture.pixels, resolution, resolution), 0, 0);
  }, [picture, resolution]);
  return (
    <canvas
      ref={canvas}
      class={resolution <= 64 ? "picture pixels" : "picture"}
      width={resolution}
      height={resolution}
      role="img"
      aria-label={label}
      aria-busy={pending}
    />
  );
}
