import { codecFor } from '../../compression/all-codecs.ts';
import { findProgram } from '../../transport/find-program.ts';
import type { Check } from '../check.ts';
import { failed, passed } from '../verdict.ts';

/** WAL can be compressed as configured. */
export const compressionSettings: Check = {
  name: 'compression settings',
  appliesTo: 'every',
  isCritical: true,
  async run({ server }) {
    const { compression } = server.config.options;
    if (compression === undefined) return passed();
    const codec = codecFor(compression);
    if (codec === undefined) return failed(`compression = ${compression} is not available yet`);
    // gzip is built in, all others are the program of their name
    const isThere = codec.name === 'gzip' || (await findProgram(codec.name, server.programPath)) !== undefined;
    return isThere ? passed() : failed(`the program ${codec.name} was not found`);
  },
};
