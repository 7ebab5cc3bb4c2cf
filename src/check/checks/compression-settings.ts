import { codecFor } from '../../compression/all-codecs.ts';
import type { Server } from '../../config/server.ts';
import { findProgram } from '../../transport/programs/find-program.ts';
import type { Check } from '../check.ts';
import { mendedBy } from '../remedies.ts';
import { failed, passed } from '../verdict.ts';

/** WAL can be compressed as configured. */
export const compressionSettings: Check = {
  name: 'compression settings',
  appliesTo: 'every',
  isCritical: true,
  about: 'The catalog',
  meaning: 'The program of `compression` is not installed, or `custom` lacks one of its filters.',
  remedies: ['compressor-missing', 'filter-missing'],
  async run({ server }) {
    const { compression } = server.config.options;
    if (compression === undefined) return passed();
    if (compression === 'custom') return customVerdict(server);
    const needed = codecFor(compression)?.program;
    if (needed === undefined || (await findProgram(needed.name, server.programPath)) !== undefined) return passed();
    const { name: program, package: brings } = needed;
    const remedy = mendedBy('compressor-missing', { program, compression, package: brings });
    return failed(`the program ${program} was not found`, remedy);
  },
};

function customVerdict({ config: { options } }: Server): ReturnType<typeof failed> {
  const missing = (['custom_compression_filter', 'custom_decompression_filter'] as const).filter(
    (key) => options[key] === undefined,
  );
  return missing.length === 0
    ? passed()
    : failed(
        `compression = custom needs ${missing.join(' and ')}`,
        mendedBy('filter-missing', { missing: missing.join(' and '), settings: missing.map((key) => `${key} = …`).join('\n') }),
      );
}
