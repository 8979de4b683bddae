export const show = (id) => `User ${id}`;
