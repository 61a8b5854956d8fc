export const root: string;
/** Makes the checkout ready to run. Rejects with one line that says what is missing and the command that mends it. */
export function setup(options?: { quiet?: boolean }): Promise<void>;
