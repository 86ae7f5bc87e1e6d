/** Error codes of #CP. SDM vol. 3A, "Interrupt 21-Control Protection Exception (#CP)". */
export const CP_ERROR = {
  nearReturn: 1,
  farReturn: 2,
  endbranch: 3,
  rstorssp: 4,
  setssbsy: 5,
} as const;
