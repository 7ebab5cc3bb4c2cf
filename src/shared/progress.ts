/** Reports of a long step; `output` draws them on a terminal or drops them, and workers never know which. */
export interface Progress {
  /** Begins a stage; `totalBytes` undefined when nobody knows. A stage that is still open ends first. */
  begin(stage: { readonly label: string; readonly totalBytes?: number | undefined }): void;
  /** Bytes done so far in this stage (absolute, never decreasing). */
  advance(doneBytes: number): void;
  /** Ends the stage and clears what was drawn. */
  end(): void;
}

export const silentProgress: Progress = {
  begin: () => undefined,
  advance: () => undefined,
  end: () => undefined,
};
