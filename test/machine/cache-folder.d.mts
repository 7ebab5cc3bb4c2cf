/** A PostgreSQL of this machine; `version` is what `postgres --version` says, e.g. `17.6`. */
export interface Installation {
  readonly major: number;
  readonly version: string;
  /** Folder of `initdb`, `pg_ctl` and `postgres`. */
  readonly binDir: string;
  /** Folder of `psql`, `pg_basebackup` and the other clients; of a newer PostgreSQL where the server came alone. */
  readonly clientsDir: string;
}

/** A release of Node.js; `folder` holds the program `node` alone. */
export interface NodeRelease {
  readonly version: string;
  readonly folder: string;
}

/** A real Barman: `program` is a launcher that speaks as `barman`, beside it lie those of its WAL helpers. */
export interface Oracle {
  readonly version: string;
  readonly program: string;
}

/** The WAL helpers of an older Barman, which many database hosts still have; `folder` is that of the programs. */
export interface OlderHelpers {
  readonly version: string;
  readonly folder: string;
}

/** Programs that manage clusters, and the PostgreSQL that they came with; each is a path. */
export interface ClusterManagers {
  readonly postgres: Installation;
  readonly repmgr: string;
  readonly repmgrd: string;
  readonly patroni: string;
  readonly etcd: string;
}

/** What `node test/machine/prepare.mjs` found or made; `missing` says why a part is not there. */
export interface Machine {
  readonly postgres: readonly Installation[];
  readonly nodes: readonly NodeRelease[];
  readonly oracle?: Oracle;
  /** The writer of older homes. */
  readonly olderBarman?: Oracle;
  readonly olderHelpers?: OlderHelpers;
  readonly managers?: ClusterManagers;
  /** `isAhead`: of something that is not released yet, which nobody must have. */
  readonly missing: readonly { readonly part: string; readonly reason: string; readonly isAhead?: boolean }[];
}

export declare function cacheFolder(env?: NodeJS.ProcessEnv): string;
export declare function machineFile(env?: NodeJS.ProcessEnv): string;
