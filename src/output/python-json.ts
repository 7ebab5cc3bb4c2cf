import type { Json } from '../shared/format-json.ts';
import { isDict, PythonFloat, PythonTuple, type PythonValue } from '../shared/python-literal.ts';

/** A Python literal as JSON: tuples become arrays, dicts objects. */
export function jsonOfPython(value: PythonValue): Json {
  if (value === null || typeof value === 'string' || typeof value === 'boolean' || typeof value === 'number') return value;
  if (typeof value === 'bigint') return Number(value);
  if (value instanceof PythonFloat) return value.value;
  if (value instanceof PythonTuple) return value.items.map(jsonOfPython);
  if (isDict(value)) return Object.fromEntries([...value].map(([key, item]) => [key, jsonOfPython(item)]));
  return value.map(jsonOfPython);
}
