import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { loadConfiguration, loadMainConfiguration } from '../../../src/config/load-configuration.ts';
import type { Configuration, ServerConfig } from '../../../src/config/server-config.ts';
import { createTemporaryFolder } from '../../helpers/temporary-folder.ts';

/** A configuration as loaded, with the folder that it was in instead of its temporary name. */
export interface TestConfiguration extends Configuration {
  readonly server: (name: string) => ServerConfig;
}

/**
 * Loads files by their names in a fresh folder, `main.conf` first; `FOLDER` in a text stands for that folder. A main file without
 * `barman_home` gets one: `[barman]` with `barman_home = FOLDER/home` is put before it.
 */
export async function loadTestConfiguration(files: string | Readonly<Record<string, string>>): Promise<TestConfiguration> {
  await using folder = await createTemporaryFolder('config');
  const texts = typeof files === 'string' ? { 'main.conf': files } : files;
  for (const [name, text] of Object.entries(texts)) {
    const path = join(folder.path, name);
    const isBare = name === 'main.conf' && !text.includes('barman_home');
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, (isBare ? `[barman]\nbarman_home = FOLDER/home\n${text}` : text).replaceAll('FOLDER', folder.path));
  }
  const request = { explicitPath: join(folder.path, 'main.conf'), environment: {}, homeFolder: folder.path };
  try {
    return withServers(withoutFolder(loadConfiguration(loadMainConfiguration(request), folder.path), folder.path));
  } catch (error) {
    if (error instanceof Error) error.message = error.message.replaceAll(folder.path, 'FOLDER');
    throw error;
  }
}

function withServers(configuration: Configuration): TestConfiguration {
  return {
    ...configuration,
    server(name) {
      const found = configuration.servers.find((server) => server.name === name);
      if (found === undefined) throw new Error(`no server ${name}`);
      return found;
    },
  };
}

function withoutFolder<T>(value: T, path: string): T {
  if (typeof value === 'string') return value.replaceAll(path, 'FOLDER') as T; // still a string
  if (Array.isArray(value)) return value.map((item: unknown) => withoutFolder(item, path)) as T; // the same items
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, withoutFolder<unknown>(item, path)])) as T; // the same keys
}
