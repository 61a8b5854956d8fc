// Errors that name options as their user wrote them: flags on the command line, properties in the library.

import { UserError } from "../system/errors.js";
import { flagOf } from "./options.js";

/** The name of an option, alone or with a value. */
export type Naming = (option: string, value?: string | number) => string;

/** `gamma`, `penalty: r1` */
export const asProperty: Naming = (option, value) => (value === undefined ? option : `${option}: ${value}`);

/** `--gamma`, `--penalty r1` */
export const asFlag: Naming = (option, value) =>
  value === undefined ? flagOf(option) : `${flagOf(option)} ${value}`;

/** Says by itself what a program has done wrong; the command line asks for the text with flags. */
export class OptionError extends UserError {
  readonly #text: (name: Naming) => string;

  constructor(text: (name: Naming) => string) {
    super(text(asProperty));
    this.#text = text;
  }

  named(naming: Naming): string {
    return this.#text(naming);
  }
}
