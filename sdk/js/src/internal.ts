// What tests of the package need besides its public surface; not shipped.
export * from './codec.js';
export * from './core.js';
export * from './errors.js';
export * from './field.js';
export * from './fields.js';
export * from './file.js';
export * from './plugin.js';
export * from './storage.js';
export * from './views.js';
