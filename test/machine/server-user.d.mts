interface ServerUser {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

export declare function serverUser(): ServerUser | undefined;
export declare function asServerUser(argv: readonly string[]): string[];
