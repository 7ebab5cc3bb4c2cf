import type { ConfigurationRequest } from '../../config/find-configuration-file.ts';
import { OperatorError } from '../../shared/operator-error.ts';
import { declareCommand } from '../command.ts';

export const adoptBarmanCommand = declareCommand({
  name: 'adopt-barman',
  summary: 'Examine the Barman of this host, and print how pgcellar takes over its home and how Barman gets it back',
  servers: 'none',
  options: [
    {
      name: 'apply',
      kind: 'flag',
      summary: 'write the entry of cron, or the setting of the unit, that runs the maintenance; nothing is moved or rewritten',
    },
  ],
  examples: ['adopt-barman', 'adopt-barman --apply'],
  async runEarly({ options, places, programName, print }) {
    const { applyAdoption, planAdoption, readAdoptionFacts } = await import('../../operations/server/adopt-barman.ts');
    const { renderAdoption } = await import('../../output/render-adoption.ts');
    const facts = await readAdoptionFacts({
      ...(await readBarman(places)),
      program: await programPath(places, programName),
      root: '/',
    });
    const plan = planAdoption(facts);
    print(`${renderAdoption(plan).join('\n')}\n`);
    if (!options.flag('apply')) return;
    if (process.getuid?.() !== 0) {
      throw new OperatorError('wrong-user', 'only root may install the maintenance', {
        hint: 'run it with sudo; nothing was changed',
      });
    }
    for (const path of await applyAdoption(plan, '/')) print(`Wrote ${path}\n`);
  },
});

/** The file that `-c` or the environment names, else the first of Barman's own, whatever pgcellar would read. */
async function readBarman(places: ConfigurationRequest) {
  const { existsSync } = await import('node:fs');
  const { serverFor } = await import('../../installation/server-for.ts');
  const { findConfigurationFile, usualPlaces } = await import('../../config/find-configuration-file.ts');
  const { loadConfiguration, loadMainConfiguration } = await import('../../config/load-configuration.ts');
  const isNamed =
    places.explicitPath !== undefined ||
    ['PGCELLAR_CONFIG_FILE', 'BARMAN_CONFIG_FILE'].some((name) => (places.environment[name] ?? '') !== '');
  const usual = usualPlaces(places.homeFolder).filter((path) => existsSync(path));
  const ofBarman = usual.find((path) => path.includes('barman'));
  const path = isNamed || ofBarman === undefined ? findConfigurationFile(places) : ofBarman;
  const configuration = loadConfiguration(loadMainConfiguration({ ...places, explicitPath: path }), places.homeFolder);
  const parts = { configuration, configurationPath: path, environment: places.environment };
  return {
    configuration,
    servers: configuration.servers.map((config) => serverFor(config, parts)),
    shadowedBy: isNamed || usual[0] === path ? undefined : usual[0],
  };
}

async function programPath({ environment }: ConfigurationRequest, name: string): Promise<string> {
  const { findProgram } = await import('../../transport/programs/find-program.ts');
  return (await findProgram(name, environment['PATH'] ?? '')) ?? `/usr/bin/${name}`;
}
