/** What is told of a set, in this order: its name on the command line where it can be left out, and how it is said. */
export const findings = {
  unreadable: { title: "unreadable", droppable: false },
  tiny: { title: "tiny", droppable: true },
  blank: { title: "blank (one colour)", droppable: true },
  duplicates: { title: "copies of another file", droppable: true },
  "near-duplicates": { title: "nearly the same as another picture", droppable: true },
  animated: { title: "animated (the first frame is used)", droppable: true },
  outside: { title: "drawings that refer to other files, which are not read", droppable: true },
} as const satisfies Record<string, { title: string; droppable: boolean }>;

export type Finding = keyof typeof findings;
export const findingNames = Object.keys(findings) as Finding[];

/** Those that a set can be made without. */
export const droppable = findingNames.filter((name) => findings[name].droppable);

export type FindingCounts = Readonly<Partial<Record<Finding, number>>>;
