/** The settings of OpenSSH for a command: the lines of `ssh -G`, by lower-case keyword; a keyword may come several times. */
export type SshSettings = ReadonlyMap<string, readonly string[]>;

/** Reads what `ssh -G` prints. */
export function parseSshSettings(text: string): SshSettings {
  const settings = new Map<string, string[]>();
  for (const line of text.split('\n')) {
    const [, keyword = '', value = ''] = /^(\S+) (.*)$/.exec(line) ?? [];
    if (keyword === '') continue;
    settings.set(keyword.toLowerCase(), [...(settings.get(keyword.toLowerCase()) ?? []), value]);
  }
  return settings;
}

/** A setting that comes once; undefined when it is missing or `none`. */
export function settingOf(settings: SshSettings, keyword: string): string | undefined {
  const [value] = settings.get(keyword) ?? [];
  return value === undefined || value.toLowerCase() === 'none' ? undefined : value;
}

/** Whether a setting is `yes`, which `ssh -G` also calls `true`. */
export function isOn(settings: SshSettings, keyword: string): boolean {
  return ['yes', 'true'].includes(settingOf(settings, keyword)?.toLowerCase() ?? '');
}

/** Settings that only the program itself can follow. */
const programOnly = [
  'proxycommand',
  'proxyjump',
  'certificatefile',
  'knownhostscommand',
  'pkcs11provider',
  'remotecommand',
  'localcommand',
  'bindaddress',
  'bindinterface',
];

/** Why these settings need the program `ssh`; undefined when a client of our own can follow them. */
export function reasonForProgram(settings: SshSettings): string | undefined {
  const found = programOnly.find((keyword) => settingOf(settings, keyword) !== undefined);
  if (found !== undefined) return found;
  if (isOn(settings, 'verifyhostkeydns')) return 'verifyhostkeydns';
  if (isOn(settings, 'hostbasedauthentication')) return 'hostbasedauthentication';
  // a shared connection that is open already costs nothing
  if (settingOf(settings, 'controlpath') !== undefined) return 'controlpath';
  return isOn(settings, 'pubkeyauthentication') || settings.get('pubkeyauthentication')?.[0] === 'unbound'
    ? undefined
    : 'pubkeyauthentication';
}

/** `StrictHostKeyChecking`, under the one name for each of its values. */
export function hostKeyPolicy(settings: SshSettings): 'refuse-unknown' | 'accept-new' | 'accept-all' {
  const value = settingOf(settings, 'stricthostkeychecking')?.toLowerCase() ?? 'ask';
  if (value === 'accept-new') return 'accept-new';
  return ['no', 'off', 'false'].includes(value) ? 'accept-all' : 'refuse-unknown'; // nobody is there to be asked
}
