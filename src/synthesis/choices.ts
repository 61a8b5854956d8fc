// What can be chosen by name. A file of its own, so that a command's help loads no networks and no encoders.

/** Formats of a picture, as the names of its files end. */
export const pictureFormats = ["png", "webp", "jpg"] as const;
export type PictureFormat = (typeof pictureFormats)[number];

/** Formats of one image: pictures, or the network's float32 values [3, H, W] as NumPy reads them. */
export const imageFormats = [...pictureFormats, "npy"] as const;
export type ImageFormat = (typeof imageFormats)[number];

export const filmFormats = ["webp", "gif", "mp4"] as const;
export type FilmFormat = (typeof filmFormats)[number];

/** What lies between two latents: a straight line, or a great circle. */
export const interpolations = ["linear", "spherical"] as const;
export type Interpolation = (typeof interpolations)[number];

/** How fast a path is walked between two keyframes: evenly, or slowly at both ends. */
export const easings = { linear: (t: number) => t, smooth: (t: number) => t * t * (3 - 2 * t) } as const;
export type Easing = keyof typeof easings;

/** Where a projection searches. `w`: one vector for all layers. `w+`: one for each, which comes closer and is less of a latent. */
export const latentSpaces = ["w", "w+"] as const;
export type LatentSpace = (typeof latentSpaces)[number];
