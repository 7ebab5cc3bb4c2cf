/** Environment variables: read once at the edge, passed in everywhere else. */
export type Environment = Readonly<Record<string, string | undefined>>;
