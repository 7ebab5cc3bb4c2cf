import type { ServerLayout } from '../catalog/server-layout.ts';
import type { WantedNode } from '../postgres/conninfo-at-node.ts';
import type { Environment } from '../shared/environment.ts';
import type { ServerConfig } from './server-config.ts';

/** One server with what working for it needs: its configuration, its place on disk, and what programs are run with. */
export interface Server {
  readonly config: ServerConfig;
  readonly layout: ServerLayout;
  /** Main configuration file, for hooks and for programs of ours that we start. */
  readonly configurationPath: string;
  /** Where programs are looked for: `path_prefix`, then `PATH`. */
  readonly programPath: string;
  /** Environment of programs, with that `PATH`. */
  readonly environment: Environment;
  /** Unit of systemd that its receiver may run as; undefined where none can be meant, because a unit knows the usual configuration only. */
  readonly receiverUnit?: string | undefined;
  /** The node of its cluster that commands go to; undefined where the connection strings alone decide. */
  readonly node?: WantedNode | undefined;
}
