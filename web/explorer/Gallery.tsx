// The seeds around the present one.

import type { ModelFile } from "../../src/protocol/model.js";
import type { View } from "./messages.js";
import { PictureCanvas, usePicture } from "./PictureView.js";
import type { Pictures } from "./pictures.js";

interface GalleryProps {
  model: ModelFile;
  pictures: Pictures;
  view: View;
  onSeed: (seed: number) => void;
}

/** Pictures in the gallery. */
const count = 12;

export function Gallery({ model, pictures, view, onSeed }: GalleryProps) {
  const first = Math.min(Math.floor(view.seed / count) * count, 0xffffffff - count + 1);
  return (
    <section class="gallery" aria-labelledby="gallery-title">
      <h2 id="gallery-title">
        Seeds {first} to {first + count - 1}
      </h2>
      <div class="gallery-grid">
        {Array.from({ length: count }, (_, i) => (
          <GalleryPicture
            key={i}
            {...{ model, pictures, view, onSeed }}
            seed={first + i}
            slot={`gallery-${i}`}
            priority={2 + i}
          />
        ))}
      </div>
    </section>
  );
}

interface GalleryPictureProps extends GalleryProps {
  seed: number;
  slot: string;
  priority: number;
}

function GalleryPicture({ model, pictures, view, onSeed, seed, slot, priority }: GalleryPictureProps) {
  const own: View = { ...view, seed, layers: [] };
  const { picture, pending } = usePicture({ pictures, slot, view: own, priority });
  return (
    <button
      type="button"
      class="gallery-item"
      aria-label={`Seed ${seed}`}
      aria-pressed={seed === view.seed}
      onClick={() => onSeed(seed)}
    >
      <PictureCanvas picture={picture} resolution={model.resolution} label="" pending={pending} />
      <span aria-hidden="true">{seed}</span>
    </button>
  );
}
