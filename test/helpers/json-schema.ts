import { readdirSync, readFileSync } from 'node:fs';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';

const folder = new URL('../../docs/schemas/', import.meta.url);

/** Names of the files in docs/schemas, without their suffix. */
export const schemaNames: readonly string[] = readdirSync(folder)
  .filter((file) => file.endsWith('.json'))
  .map((file) => file.slice(0, -'.json'.length))
  .toSorted();

/** What of a value is not as its schema says, in words; none when it is valid. */
export function mistakesIn(name: string, value: unknown): readonly string[] {
  const validate = validatorOf(name);
  validate(value);
  return (validate.errors ?? []).map(({ instancePath, message, params }) => {
    return `${instancePath} ${message ?? ''} ${JSON.stringify(params)}`;
  });
}

function validatorOf(name: string): ValidateFunction {
  const ajv = new Ajv2020({ allErrors: true, strictTypes: false, strictRequired: false, allowUnionTypes: true });
  for (const each of schemaNames) ajv.addSchema(JSON.parse(readFileSync(new URL(`${each}.json`, folder), 'utf8')) as object);
  const validate = ajv.getSchema(`${name}.json`);
  if (validate === undefined) throw new Error(`docs/schemas has no ${name}.json`);
  return validate;
}
