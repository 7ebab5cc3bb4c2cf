/** A file of a relation, by its path below the data folder or a tablespace. */
export interface RelationFile {
  /** Undefined for relations that all databases share. */
  readonly database: number | undefined;
  readonly filenode: number;
  /** `main`, or `fsm`, `vm`, `init`. */
  readonly fork: string;
  /** Number of the segment: files are split at 1 GiB. */
  readonly segment: number;
}

/** Reads a path as PostgreSQL names relations; undefined for every other file. */
export function parseRelationFile(path: string): RelationFile | undefined {
  const match = /^(?:global|(?:base|PG_[^/]+)\/(\d+))\/(\d+)(?:_(fsm|vm|init))?(?:\.(\d+))?$/.exec(path);
  if (match === null) return undefined;
  const [, database, filenode, fork = 'main', segment = '0'] = match;
  return {
    database: database === undefined ? undefined : Number(database),
    filenode: Number(filenode),
    fork,
    segment: Number(segment),
  };
}
